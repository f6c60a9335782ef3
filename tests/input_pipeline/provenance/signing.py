"""Files with Content Credentials, signed by throw-away certificates that the tests make."""

import datetime
import io

import pytest

c2pa = pytest.importorskip("c2pa", reason="needs the extra provenance")
pytest.importorskip("cryptography", reason="needs the extra test")

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, utils  # noqa: E402
from cryptography.x509.oid import NameOID, ObjectIdentifier  # noqa: E402

SIGNING_CLAIMS = "1.3.6.1.4.1.62558.2.1"
EMAIL = "1.3.6.1.5.5.7.3.4"
BINGS_USE = "1.3.6.1.4.1.311.76.59.1.9"  # Microsoft's own, of 2023
TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"


class Signer:
    """Someone with a certificate that leads to `root` (PEM)."""

    def __init__(self, use=SIGNING_CLAIMS, seconds=3600, ocsp=""):
        """The certificate has one use, holds for so many seconds and may name an OCSP server."""
        root_key, self.key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        root = _certificate("Test Root", root_key, "Test Root", root_key, 3600, [])
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.ExtendedKeyUsage([ObjectIdentifier(use)]), False)
        ]
        if ocsp:
            where = x509.UniformResourceIdentifier(ocsp)
            access = x509.AccessDescription(ObjectIdentifier("1.3.6.1.5.5.7.48.1"), where)
            extensions.append((x509.AuthorityInformationAccess([access]), False))
        own = _certificate("Test Signer", self.key, "Test Root", root_key, seconds, extensions)
        self.root = _pem(root)
        self.chain = _pem(own) + self.root
        self.ends = own.not_valid_after_utc

    def sign(self, data, kind, *actions, program="Test Camera", made_from=None, elsewhere=""):
        """A file (of an IANA type) with credentials.

        Args:
          actions: (C2PA's term, IPTC's term or "", program or "").
          made_from: a file of the same kind that was opened, before these actions.
          elsewhere: address of the manifest, which is then not in the file.
        """
        done = [_action(*action) for action in actions]
        if made_from is not None:
            opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": ["parent"]}}
            done = [opened, *done]
        done = done or [_action("c2pa.created", "digitalCapture", "")]
        context = c2pa.Context.from_dict(
            {
                "version": 1,
                "verify": {"verify_after_sign": False},
                "builder": {"thumbnail": {"enabled": False}},
            }
        )
        definition = {
            "claim_generator_info": [{"name": program, "version": "1.0"}],
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": done}}],
        }
        builder = c2pa.Builder(definition, context)
        if made_from is not None:
            parent = {"title": "parent", "relationship": "parentOf", "label": "parent"}
            builder.add_ingredient(parent, kind, io.BytesIO(made_from))
        if elsewhere:
            builder.set_no_embed()
            builder.set_remote_url(elsewhere)
        signer = c2pa.Signer.from_callback(
            self._signature, c2pa.C2paSigningAlg.ES256, self.chain, None
        )
        signed = io.BytesIO()
        builder.sign(signer, kind, io.BytesIO(data), signed)
        return signed.getvalue()

    def _signature(self, data):
        coded = self.key.sign(data, ec.ECDSA(hashes.SHA256()))
        return b"".join(n.to_bytes(32, "big") for n in utils.decode_dss_signature(coded))


def _action(action, source_type, program):
    made = {"action": action}
    if source_type:
        made["digitalSourceType"] = TYPES + source_type
    if program:
        made["softwareAgent"] = {"name": program}
    return made


def _certificate(name, key, issuer, issuer_key, seconds, extensions):
    now, is_root = datetime.datetime.now(datetime.UTC), name == issuer
    encipherments = ("key_encipherment", "data_encipherment", "encipher_only", "decipher_only")
    usage = dict.fromkeys((*encipherments, "content_commitment", "key_agreement"), False)
    usage |= {"digital_signature": not is_root, "key_cert_sign": is_root, "crl_sign": is_root}
    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(seconds=seconds))
    )
    known_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    for extension, critical in [
        (x509.BasicConstraints(is_root, None), True),
        (x509.KeyUsage(**usage), True),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
        (known_by, False),
        *extensions,
    ]:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(common):
    pairs = ((NameOID.ORGANIZATION_NAME, "Test Press"), (NameOID.COMMON_NAME, common))
    return x509.Name([x509.NameAttribute(kind, text) for kind, text in pairs])


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
