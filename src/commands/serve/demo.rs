//! `--demo`: a small shop that looks like one, made once, and two people who can log in.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast_actors::domain::account::{Role, Tier};
use holdfast_actors::domain::product::{
    Description, NewProduct, NewVariant, ReserveOn, Status, VariantDescription,
};
use holdfast_actors::domain::{Currency, Money, ProductId, Quantity, Sku};
use holdfast_actors::{Context, Engine};
use secrecy::{ExposeSecret as _, SecretString};

use super::bootstrap::create;
use crate::auth::password::Passwords;
use crate::cli::Failure;

const ADMIN: &str = "admin@example.test";
const CUSTOMER: &str = "customer@example.test";

/// A product of the demo.
struct Demo {
    name: &'static str,
    text: &'static str,
    price: i64,
    per_customer_limit: Option<u32>,
    variants: &'static [DemoVariant],
}

/// A variant: sku, name, attributes as JSON, what it adds to the price, units.
type DemoVariant = (&'static str, &'static str, &'static str, i64, u32);

const CATALOGUE: &[Demo] = &[
    Demo {
        name: "Aurora One headphones, launch edition",
        text: "Ten of them, on sale at noon: the one that everybody wants at once.",
        price: 19_900,
        per_customer_limit: Some(2),
        variants: &[("AURORA-1", "", "{}", 0, 10)],
    },
    Demo {
        name: "Fjord rain jacket",
        text: "Three layers, taped seams, a hood that fits over a helmet.",
        price: 14_900,
        per_customer_limit: None,
        variants: &[
            ("FJORD-S-MOSS", "S, moss", r#"{"size":"S","color":"moss"}"#, 0, 24),
            ("FJORD-M-MOSS", "M, moss", r#"{"size":"M","color":"moss"}"#, 0, 40),
            ("FJORD-L-MOSS", "L, moss", r#"{"size":"L","color":"moss"}"#, 0, 31),
            ("FJORD-XL-INK", "XL, ink", r#"{"size":"XL","color":"ink"}"#, 1_000, 0),
        ],
    },
    Demo {
        name: "Kiln stoneware mug",
        text: "Thrown by hand; no two glazes are alike.",
        price: 2_400,
        per_customer_limit: None,
        variants: &[
            ("KILN-ASH", "Ash", r#"{"glaze":"ash"}"#, 0, 120),
            ("KILN-COBALT", "Cobalt", r#"{"glaze":"cobalt"}"#, 200, 85),
        ],
    },
    Demo {
        name: "Meridian pour-over kettle",
        text: "0.9 l, gooseneck, holds its temperature for an hour.",
        price: 8_950,
        per_customer_limit: None,
        variants: &[("MERIDIAN-09", "", "{}", 0, 60)],
    },
    Demo {
        name: "Sable mechanical keyboard",
        text: "75 %, hot-swappable, aluminium.",
        price: 16_900,
        per_customer_limit: None,
        variants: &[
            ("SABLE-LINEAR", "Linear", r#"{"switch":"linear"}"#, 0, 45),
            ("SABLE-TACTILE", "Tactile", r#"{"switch":"tactile"}"#, 500, 38),
        ],
    },
    Demo {
        name: "Halden wool blanket",
        text: "130 × 190 cm, from sheep with names.",
        price: 11_900,
        per_customer_limit: None,
        variants: &[("HALDEN-130", "", "{}", 0, 33)],
    },
    Demo {
        name: "Pico field notebook",
        text: "Three in a pack, dotted, stone paper.",
        price: 1_450,
        per_customer_limit: None,
        variants: &[("PICO-3", "", "{}", 0, 900)],
    },
    Demo {
        name: "Vesper desk lamp",
        text: "Warm to cold, no flicker, one knob.",
        price: 12_900,
        per_customer_limit: None,
        variants: &[
            ("VESPER-WHITE", "White", r#"{"color":"white"}"#, 0, 52),
            ("VESPER-BLACK", "Black", r#"{"color":"black"}"#, 0, 47),
        ],
    },
];

/// Makes the catalogue and the two people, and prints how to log in.
pub(super) async fn fill(engine: &Engine, passwords: &Passwords) -> Result<(), Failure> {
    for demo in CATALOGUE {
        let id = ProductId(crate::ids::make().as_u128());
        engine
            .create(&Context::system(), id, product(demo))
            .await
            .map_err(|failure| anyhow!("make the demo product {}: {failure:?}", demo.name))?;
    }
    let admin = make(engine, passwords, ADMIN, Role::Admin, Tier::Standard).await?;
    let customer = make(engine, passwords, CUSTOMER, Role::Customer, Tier::Gold).await?;
    let units: u32 = CATALOGUE.iter().flat_map(|demo| demo.variants).map(|variant| variant.4).sum();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "demo: {} products with {units} units, and two people (shown this once)\n  admin     {ADMIN}  {}\n  \
         customer  {CUSTOMER}  {}",
        CATALOGUE.len(),
        admin.expose_secret(),
        customer.expose_secret(),
    )
    .context("print the demo's people")?;
    Ok(())
}

/// Makes somebody with a new random password.
async fn make(
    engine: &Engine,
    passwords: &Passwords,
    email: &str,
    role: Role,
    tier: Tier,
) -> Result<SecretString, Failure> {
    let mut random = [0_u8; 12];
    getrandom::fill(&mut random).map_err(|error| anyhow!("draw a password: {error}"))?;
    let password = SecretString::from(URL_SAFE_NO_PAD.encode(random));
    create(engine, passwords, email, password.clone(), role, tier).await?;
    Ok(password)
}

fn product(demo: &Demo) -> NewProduct {
    let description = Description {
        name: demo.name.into(),
        text: Some(demo.text.into()),
        status: Status::Active,
        price: Money(demo.price),
        currency: Currency::new("EUR").expect("three capital letters"),
        category_ids: Vec::new(),
        attributes: "{}".into(),
        reserve_on: ReserveOn::Cart,
        reservation_ttl: None,
        per_order_limit: None,
        per_customer_limit: demo.per_customer_limit.and_then(Quantity::new),
    };
    let variant = |(sku, name, attributes, price_adjustment, units): &DemoVariant| NewVariant {
        description: Arc::new(VariantDescription {
            sku: Sku::new(sku).expect("the demo's skus are well-formed"),
            name: (!name.is_empty()).then(|| (*name).into()),
            attributes: (*attributes).into(),
            price_adjustment: Money(*price_adjustment),
        }),
        initial_stock: Quantity::new(*units),
    };
    NewProduct {
        description: Arc::new(description),
        is_simple: demo.variants.len() == 1,
        variants: demo.variants.iter().map(variant).collect(),
    }
}
