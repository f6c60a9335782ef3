"""Every setting with its unit and default: the published NPR recipe.

Paper: Tan et al., "Rethinking the Up-Sampling Operations in CNN-based Generative Network
for Generalizable Deepfake Detection", CVPR 2024 (arXiv 2312.10461). configs/npr.py, which is this
recipe, has the command, the published numbers and the cost.

The other files of this folder change a few of these lines each. Any setting can be given on
the command line, ``--config.data.workers=4``.
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    """The published recipe: NPR at factor 0.5, Adam, 50 epochs, batch 32."""
    config = ml_collections.ConfigDict()
    config.seed = 0  # every random stream of a run derives from this one number
    config.model = get_model()
    config.data = get_data()
    config.optimizer = get_optimizer()

    config.batch_size = 32  # images per step, over all devices and processes together
    config.num_epochs = 50
    # Share of the loss's target that is spread over both classes alike, 0 to below 1: labels
    # become 0.05 and 0.95 for 0.1.
    config.label_smoothing = 0.0
    # Weight of a second term of the loss, 0 or more: how much the predictions for two deliveries of
    # the same image differ. Above 0, each couple of a batch comes in two views.
    config.consistency = 0.0
    # What a running mean of the weights keeps of itself at each step, in [0, 1); the mean is what
    # is validated, saved as the model and scored with. 0: the weights themselves are.
    config.ema = 0.0
    # The checkpoint that commands take unless told otherwise: validation_ap (the epoch with the
    # highest AP on the validation images, the lower loss where AP is equal) or last (the last
    # epoch, whatever validation says: for few validation images).
    config.best_checkpoint = "validation_ap"
    # Stop after this many epochs without a better validation AP; 0: never.
    config.early_stopping_epochs = 0
    # Steps between two points of the training curve (and two looks for NaN).
    config.log_every_steps = 100
    # Steps between checkpoints within an epoch; 0: at the end of epochs only.
    config.checkpoint_every_steps = 0
    return config


def get_model() -> ml_collections.ConfigDict:
    """What the network looks like: ``name`` and ``dtype``, and what this system needs besides.

    Every system has settings of its own; its recipe in this folder explains them.
    """
    model = ml_collections.ConfigDict()
    model.name = "npr"  # a system of npr_jax.models, see `python main.py list`
    model.dtype = "float32"  # arithmetic: float32, bfloat16 (parameters stay float32)
    # One residual for npr, several for others. Each of these settings gives one value for each
    # residual, or a single one for all.
    model.factors = (0.5,)  # down-sampling factor of the residual, in (0, 1)
    # How the residual resizes: nearest, bilinear, bicubic, area; or hh (a wavelet's diagonal
    # band, no factor), none (the pixels themselves).
    model.modes = ("nearest",)
    model.phases = ((0, 0),)  # pixels: (row, column) of nearest's reference within its block
    model.colors = ("rgb",)  # rgb, ycbcr, lab, differences (R-G, B-G, R-B)
    # Whether the factor is trained, from the one given on: mode bilinear, within 0.1 to 0.95.
    model.learn_factors = (False,)
    # cut_resnet50 (the paper's: two stages), light_resnet (two stages of two basic blocks),
    # thin_resnet (16 channels, two stages of one basic block: for trials on small machines) or
    # resnet50 (all four stages).
    model.backbone = "cut_resnet50"
    return model


def get_data() -> ml_collections.ConfigDict:
    """Where images come from and what happens to them before the network."""
    data = ml_collections.ConfigDict()
    # Directory that `prepare` wrote, or several, "prepared/a,prepared/b"; empty: the embedded
    # simulation.
    data.path = ""
    data.train_split = "train"
    # Empty: hold out `validation_fraction` of the training split, chosen by file name.
    data.validation_split = ""
    data.validation_fraction = 0.1  # of the training images, in (0, 1)
    data.test_split = "test"

    # Which training images an epoch draws, and how often. The defaults draw each once.
    data.fraction = 1.0  # of each generator, class and label, in (0, 1]: a seeded subset
    data.max_per_class = 0  # images of each data set, generator, class and label; 0: no limit
    # One positive number for each directory of `path`: its share of an epoch's images, in
    # any unit, (3, 1); empty: every image once.
    data.weights = ()
    # What gets equally many images of an epoch: label (photographs and generated images),
    # generator (of those of each label), class (of those of each generator); empty: nothing.
    data.balance = ""
    data.balance_power = 0.0  # 0: exactly so; 1: each by its size; 0.5: by the root of its size
    data.images_per_epoch = 0  # how many images an epoch draws; 0: as many as there are
    # Puts a photograph beside each generated image: the one it was made from, where the data set
    # says so. Both undergo the same random changes, and the labels are balanced by this.
    data.couples = False
    # Of couples, a reconstruction that is mixed with its photograph: probability, 0 to 1, and its
    # lowest and highest share of the mixture, above 0 and at most 1.
    data.blend_probability = 0.0
    data.blend_share = (0.3, 1.0)

    data.resize = 256  # pixels: size that training images get; 0: native size
    # What `resize` makes of training and validation images: squash (a square), short_side
    # (the short side has that length, the aspect is kept; needs `host_crop`).
    data.resize_mode = "squash"
    # pixels: random square cut by the readers from images of different sizes: needed where
    # `resize` is 0 or `resize_mode` short_side, otherwise 0.
    data.host_crop = 0
    # How images below `host_crop` or `validation_crop` reach it: reflect (padded by
    # reflection), tile (repeated from the top left, as GenImage's protocol).
    data.small_images = "reflect"
    # pixels: random square cut on the device; less what fills no block of the residuals
    data.crop = 224
    data.flip = True  # mirror half of the training images
    # JPEG qualities (lowest, highest) that both classes are re-encoded with alike, before
    # any resize or crop; empty: never. Scoring uses the middle of the range.
    data.reencode = ()
    data.augment = get_augment()
    data.random_delivery = get_random_delivery()
    data.validation_crop = 224  # pixels: centre crop of validation images
    data.evaluate_resize = 256  # pixels: test images squashed to a square; 0: native size
    data.evaluate_crop = 0  # pixels: centre crop of test images, and of scored files; 0: none
    # Whether an odd last row or column of test images, and of scored files, is dropped where the
    # network itself has no use for it; those with residuals cut to whole blocks by themselves.
    data.evaluate_even = False
    # How test images reached us: clean (as they lie), web (long edge at most 1024, JPEG
    # 75), hard (long edge 512, JPEG 40).
    data.delivery = "clean"

    data.workers = 0  # reader processes; 0: threads of this process
    data.prefetch = 2  # batches made ahead per reader process
    # megabytes of memory, per reader process, in which decoded images are kept, as many as fit:
    # they are read and decoded once, not in every epoch. 0: none.
    data.cache = 0

    # Folder of your own photographs for the simulation to use as scenes; empty: rendered ones.
    data.photos = ""
    data.simulation = get_simulation()
    return data


def get_augment() -> ml_collections.ConfigDict:
    """Random changes of training images; none by default.

    The invisible mark comes first, on the decoded file. Blur and compression, in this order between
    resize and crop, are CNNDetection's (Wang et al., CVPR 2020), with probability 0.1 or 0.5 each.
    What follows, in this order after crop and flip on the device, is SAFE's (Li et al., KDD 2025).
    """
    augment = ml_collections.ConfigDict()
    # Share of the images of either class, 0 to 1, that carry the invisible mark of Stable
    # Diffusion's script: it is written into some and removed from others, before anything else is
    # done to them. 0: left as they are.
    augment.invisible_mark_probability = 0.0
    augment.blur_probability = 0.0  # of a Gaussian blur, 0 to 1
    augment.blur_sigma = (0.0, 3.0)  # pixels: lowest and highest standard deviation
    augment.jpeg_probability = 0.0  # of a trip through JPEG, 0 to 1
    augment.jpeg_quality = (30, 100)  # lowest and highest, 1 to 100
    augment.jpeg_codecs = ("pil", "opencv")  # one of these is drawn for each image
    augment.webp_probability = 0.0  # of a trip through lossy WebP, 0 to 1
    augment.webp_quality = (30, 100)  # lowest and highest, 1 to 100
    # degrees, 0 to 180: images turn about their centre by up to this, either way; corners that
    # come in from outside are black.
    augment.rotation = 0.0
    augment.rotation_bilinear = True  # interpolate between pixels; False: take the nearest
    # Brightness, contrast and saturation are each multiplied by a factor from 1 - this to
    # 1 + this, 0 to 1.
    augment.color_jitter = 0.0
    augment.mask_probability = 0.0  # of black squares in an image, 0 to 1
    augment.mask_patch = 16  # pixels: side of a square
    augment.mask_ratio = (0.0, 0.75)  # lowest and highest share of an image's squares
    return augment


def get_random_delivery() -> ml_collections.ConfigDict:
    """How training images reach us, drawn for each: in place of resize, re-encoding and augment's
    blur and compression, which must be off. Ranges are (lowest, highest), probabilities 0 to 1."""
    delivery = ml_collections.ConfigDict()
    delivery.on = False  # whether any of this happens
    # Made smaller: a long edge between this many pixels and its own, each ratio as likely.
    delivery.thumbnail_probability = 0.45
    delivery.thumbnail_edge = 256
    delivery.scale_probability = 0.2  # of those that are not: resized by a factor
    delivery.scale = (0.6, 1.3)
    delivery.blur_probability = 0.04
    delivery.blur_sigma = (0.3, 1.0)  # pixels
    delivery.noise_probability = 0.04
    delivery.noise_sigma = (1.0, 4.0)  # grey levels of 255
    delivery.jpeg_probability = 0.75  # of being saved
    delivery.jpeg_quality = (30, 95)
    delivery.webp_probability = 0.06  # of being saved so instead
    delivery.webp_quality = (40, 95)
    delivery.second_jpeg_probability = 0.15  # of being saved once more
    # Lossless files are saved as JPEG first, with this probability: photographs come as JPEG.
    delivery.lossless_jpeg_probability = 0.75
    delivery.lossless_jpeg_quality = (78, 97)
    delivery.on_grid_probability = 0.7  # of a crop on the grid of JPEG's 8 x 8 blocks
    return delivery


def get_simulation() -> ml_collections.ConfigDict:
    """The embedded data, used where ``data.path`` is empty."""
    simulation = ml_collections.ConfigDict()
    # Where the images are kept; empty: `simulation` in the workdir.
    simulation.directory = ""
    simulation.size = 256  # pixels: height and width, a multiple of 8 up to 512
    simulation.train_family = "nearest_conv"  # the only generator seen in training
    simulation.train_per_class = 4000  # images
    simulation.validation_per_class = 400  # images
    simulation.test_per_family = 500  # images, and as many photographs
    return simulation


def get_optimizer() -> ml_collections.ConfigDict:
    """Adam with the learning rate in steps."""
    optimizer = ml_collections.ConfigDict()
    optimizer.name = "adam"  # or adamw, for a weight decay
    optimizer.learning_rate = 2e-4
    optimizer.b1 = 0.9  # decay of the gradient's running mean
    optimizer.b2 = 0.999  # decay of its running square
    optimizer.weight_decay = 0.0  # of adamw: share of each weight lost per step, times the rate
    # What becomes of the rate during training: step, cosine (to 0 at the end of the last
    # epoch, after a warm-up) or plateau (lower where validation accuracy stalls).
    optimizer.schedule = "step"
    # step: the rate is multiplied by `decay_rate` at the end of epochs 10, 20, ... (0-based)
    # for `decay_every_epochs` = 10: epochs 0 to 10 run at the full rate.
    # plateau: it is multiplied by `decay_rate` where validation accuracy has not risen by
    # `plateau_improvement` (0 to 1) for `plateau_epochs`; training ends once the rate is below
    # `min_learning_rate`, or with the last epoch.
    optimizer.decay_rate = 0.9
    optimizer.decay_every_epochs = 10
    optimizer.plateau_epochs = 5  # validations without improvement before the rate falls
    optimizer.plateau_improvement = 0.001  # of accuracy, 0 to 1, that counts as one
    optimizer.min_learning_rate = 1e-6  # plateau: training ends below it
    # cosine: epochs during which the rate rises from 0 in a line; 0: none.
    optimizer.warmup_epochs = 0
    return optimizer


def parse_factor(text: str) -> float:
    """A number such as ``0.25`` or ``1/3`` from the text after a config's colon."""
    numerator, _, denominator = text.partition("/")
    try:
        return float(numerator) / float(denominator or 1)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"factor {text!r} is no number; write 0.25 or 1/3") from None
