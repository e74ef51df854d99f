"""The words of the world: what things are called and which words describe them."""

from __future__ import annotations

SEGMENTS = ("18-24", "25-34", "35-44", "45-54", "55-64", "65+")
SEGMENT_WEIGHTS = (20, 26, 20, 15, 11, 8)
COUNTRIES = ("DE", "US", "FR", "GB", "ES", "IT", "PL", "NL", "SE", "BR", "JP", "IN")
COUNTRY_WEIGHTS = (22, 18, 12, 11, 8, 8, 6, 5, 4, 3, 2, 1)
DEVICES = ("web", "ios", "android", "tv", "other")
DEVICE_WEIGHTS = (34, 26, 32, 6, 2)

# Four categories for each segment, in the order of SEGMENTS: those that its people tend to like.
CATEGORIES: dict[str, tuple[str, ...]] = {
    "games": ("console", "controller", "headset", "keyboard", "joystick", "puzzle"),
    "sneakers": ("trainer", "runner", "high-top", "slip-on", "skate shoe", "insole"),
    "music": ("guitar", "ukulele", "microphone", "turntable", "amplifier", "drum pad"),
    "snacks": ("granola", "chocolate", "crisps", "protein bar", "popcorn", "trail mix"),
    "fitness": ("dumbbell", "yoga mat", "kettlebell", "resistance band", "rowing machine", "foam roller"),
    "coffee": ("espresso machine", "grinder", "moka pot", "café roast", "milk frother", "pour-over"),
    "travel": ("suitcase", "backpack", "neck pillow", "passport case", "duffel", "packing cube"),
    "phones": ("smartphone", "charger", "phone case", "power bank", "earbuds", "tripod"),
    "baby": ("pram", "cot", "teether", "baby monitor", "sling", "play mat"),
    "kitchen": ("frying pan", "chef's knife", "kettle", "whisk", "cutting board", "casserole"),
    "toys": ("building blocks", "train set", "doll", "kite", "board game", "plush bear"),
    "office": ("desk", "office chair", "monitor arm", "notebook", "fountain pen", "desk lamp"),
    "bikes": ("road bike", "helmet", "pannier", "saddle", "bike lock", "cargo bike"),
    "tools": ("drill", "sander", "toolbox", "spirit level", "workbench", "jigsaw"),
    "wine": ("riesling", "decanter", "corkscrew", "rosé", "wine rack", "grüner veltliner"),
    "camping": ("tent", "sleeping bag", "camp stove", "lantern", "hammock", "water filter"),
    "garden": ("secateurs", "planter", "lawn mower", "watering can", "greenhouse", "compost bin"),
    "home": ("sofa", "bookcase", "rug", "floor lamp", "curtain", "armchair"),
    "cars": ("dash cam", "roof box", "floor mat", "jump starter", "tyre pump", "car seat"),
    "golf": ("putter", "golf bag", "driver", "golf glove", "rangefinder", "golf balls"),
    "books": ("crime novel", "biography", "atlas", "poetry collection", "history of Europe", "cookbook"),
    "health": ("blood pressure monitor", "vitamin set", "heating pad", "massage cushion", "thermometer", "walker"),
    "birds": ("bird feeder", "binoculars", "nest box", "field guide", "bird bath", "spotting scope"),
    "crafts": ("sewing machine", "knitting yarn", "loom", "watercolour set", "easel", "embroidery hoop"),
}
TYPICAL_PRICES_CENTS = (
    5900, 8900, 14900, 450, 4500, 7900, 6900, 19900, 8900, 3900, 2900, 9900,
    24900, 6900, 1600, 8900, 3500, 18900, 5900, 7900, 1900, 3900, 4900, 5500,
)  # fmt: skip
BRANDS_PER_CATEGORY = 12
BRAND_STARTS = ("Nor", "Alba", "Kess", "Vela", "Tor", "Miro", "Ösa", "Fenn", "Lumi", "Hart", "Sol", "Brev")
BRAND_ENDS = ("dal", "mark", "ling", "ora", "wick", "haus", "é", "nova", "berg", "field", "ix", "stad")

# An item's style is four numbers; each speaks in one of two sets of words, by its sign.
STYLE_WORDS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("minimal", "plain", "pure", "sleek"), ("ornate", "decorated", "lavish", "playful")),
    (("rugged", "sturdy", "heavy-duty", "tough"), ("delicate", "light", "slim", "airy")),
    (("classic", "vintage", "timeless", "traditional"), ("modern", "smart", "connected", "futuristic")),
    (("natural", "organic", "handmade", "earthy"), ("colourful", "neon", "glossy", "bold")),
)
SCHOOL_TOWNS = (
    "Lund",
    "Ghent",
    "Porto",
    "Kraków",
    "Graz",
    "Leeds",
    "Tours",
    "Delft",
    "Turku",
    "Boston",
    "Kyoto",
    "Pune",
)
SCHOOL_KINDS = ("University", "College", "Polytechnic", "Academy")
COMPANY_STARTS = (
    "Acme",
    "Borealis",
    "Cobalt",
    "Dynamo",
    "Evergreen",
    "Fjord",
    "Granite",
    "Helios",
    "Indigo",
    "Juniper",
)
COMPANY_ENDS = ("Labs", "Works", "Logistics", "Foods", "Energy", "Media", "Bank", "Systems")
