//! What the demo shop sells, in which categories, and by which price rules.

/// A category: slug, name, slug of its parent.
pub(super) type Shelf = (&'static str, &'static str, Option<&'static str>);

/// Parents first.
pub(super) const SHELVES: &[Shelf] = &[
    ("home", "Home", None),
    ("kitchen", "Kitchen", Some("home")),
    ("desk", "Desk", Some("home")),
    ("tech", "Technology", None),
    ("audio", "Audio", Some("tech")),
    ("outdoor", "Outdoor", None),
];

/// How many days the seasonal rule of the demo holds.
pub(super) const SEASON_DAYS: u64 = 30;

/// Any rule that is made without a priority comes before those of the demo.
pub(super) const RULE_PRIORITY: i32 = 100;

/// A product of the demo.
pub(super) struct Good {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
    /// The slug of its category.
    pub(super) category: &'static str,
    pub(super) attributes: &'static str,
    pub(super) price: i64,
    pub(super) per_customer_limit: Option<u32>,
    pub(super) variants: &'static [GoodVariant],
}

/// A variant: sku, name, attributes as JSON, what it adds to the price, units.
pub(super) type GoodVariant = (&'static str, &'static str, &'static str, i64, u32);

pub(super) const GOODS: &[Good] = &[
    Good {
        name: "Aurora One headphones, launch edition",
        text: "Ten of them, on sale at noon: the one that everybody wants at once.",
        category: "audio",
        attributes: r#"{"launch":true}"#,
        price: 19_900,
        per_customer_limit: Some(2),
        variants: &[("AURORA-1", "", "{}", 0, 10)],
    },
    Good {
        name: "Fjord rain jacket",
        text: "Three layers, taped seams, a hood that fits over a helmet.",
        category: "outdoor",
        attributes: r#"{"material":"3-layer nylon"}"#,
        price: 14_900,
        per_customer_limit: None,
        variants: &[
            ("FJORD-S-MOSS", "S, moss", r#"{"size":"S","color":"moss"}"#, 0, 24),
            ("FJORD-M-MOSS", "M, moss", r#"{"size":"M","color":"moss"}"#, 0, 40),
            ("FJORD-L-MOSS", "L, moss", r#"{"size":"L","color":"moss"}"#, 0, 31),
            ("FJORD-XL-INK", "XL, ink", r#"{"size":"XL","color":"ink"}"#, 1_000, 0),
        ],
    },
    Good {
        name: "Kiln stoneware mug",
        text: "Thrown by hand; no two glazes are alike.",
        category: "kitchen",
        attributes: r#"{"material":"stoneware"}"#,
        price: 2_400,
        per_customer_limit: None,
        variants: &[
            ("KILN-ASH", "Ash", r#"{"glaze":"ash"}"#, 0, 120),
            ("KILN-COBALT", "Cobalt", r#"{"glaze":"cobalt"}"#, 200, 85),
        ],
    },
    Good {
        name: "Meridian pour-over kettle",
        text: "0.9 l, gooseneck, holds its temperature for an hour.",
        category: "kitchen",
        attributes: r#"{"litres":"0.9"}"#,
        price: 8_950,
        per_customer_limit: None,
        variants: &[("MERIDIAN-09", "", "{}", 0, 60)],
    },
    Good {
        name: "Sable mechanical keyboard",
        text: "75 %, hot-swappable, aluminium.",
        category: "desk",
        attributes: r#"{"layout":"75 %"}"#,
        price: 16_900,
        per_customer_limit: None,
        variants: &[
            ("SABLE-LINEAR", "Linear", r#"{"switch":"linear"}"#, 0, 45),
            ("SABLE-TACTILE", "Tactile", r#"{"switch":"tactile"}"#, 500, 38),
        ],
    },
    Good {
        name: "Halden wool blanket",
        text: "130 × 190 cm, from sheep with names.",
        category: "home",
        attributes: r#"{"material":"wool"}"#,
        price: 11_900,
        per_customer_limit: None,
        variants: &[("HALDEN-130", "", "{}", 0, 33)],
    },
    Good {
        name: "Pico field notebook",
        text: "Three in a pack, dotted, stone paper.",
        category: "desk",
        attributes: r#"{"pages":48}"#,
        price: 1_450,
        per_customer_limit: None,
        variants: &[("PICO-3", "", "{}", 0, 900)],
    },
    Good {
        name: "Vesper desk lamp",
        text: "Warm to cold, no flicker, one knob.",
        category: "desk",
        attributes: r#"{"watts":9}"#,
        price: 12_900,
        per_customer_limit: None,
        variants: &[
            ("VESPER-WHITE", "White", r#"{"color":"white"}"#, 0, 52),
            ("VESPER-BLACK", "Black", r#"{"color":"black"}"#, 0, 47),
        ],
    },
];
