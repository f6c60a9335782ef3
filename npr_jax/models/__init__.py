"""Networks: layers, backbones and heads; the systems built of them; published weights."""
