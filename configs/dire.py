"""DIRE: a ResNet-50 on the reconstruction error of a diffusion model.

    python main.py reconstruct --data=PREPARED --noise_predictor=256x256_diffusion_uncond.pt \\
        --output=PREPARED_dire
    python main.py --config=configs/dire.py --workdir=DIR --config.data.path=PREPARED_dire \\
        --config.model.noise_predictor=256x256_diffusion_uncond.pt
    python main.py predict --workdir=DIR PATH...

Paper: Wang et al., ICCV 2023. Trained on its own data the published detector reports accuracies
near 100 % on DiffusionForensics; those data keep the maps of photographs as JPEG and of generated
images as PNG, so that the numbers cannot be taken for the method's. Here both are stored alike.
Test maps are scored whole, not their central 224 pixels. Numbers of ours on small images, and the
cost, are in docs/systems.md. With the published predictor one image of 256 pixels passes a network
of 552,814,086 parameters 40 times: a matter for a GPU.
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    """Maps of 256 pixels, random crops of 224, Adam at 1e-4, batch 32."""
    config = default.get_config()
    config.model = ml_collections.ConfigDict(
        {
            "name": "dire",
            "dtype": "float32",  # arithmetic: float32, bfloat16 (parameters stay float32)
            # torchvision_resnet50 (as published) or a smaller one of configs/default.py.
            "backbone": "torchvision_resnet50",
            # torchvision's ResNet-50 file (.pth or .safetensors), read when a run starts; empty:
            # random weights.
            "imagenet_weights": "",
            # File that made the error maps, or a run's directory; empty: scored files are maps.
            "noise_predictor": "",
            "ddim_steps": 20,  # of the inversion, and as many back; as the maps were made with
            "image_size": 256,  # pixels: side of the maps
        }
    )
    config.optimizer.learning_rate = 1e-4
    data = config.data
    data.resize = 0  # the maps have one size
    data.host_crop = 256
    data.crop = 224
    data.validation_crop = 224
    data.evaluate_resize = 0
    return config
