//! `--demo`: a small shop that looks like one, made once, and two people who can log in.

mod goods;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast_actors::domain::account::{Role, Tier};
use holdfast_actors::domain::category;
use holdfast_actors::domain::price::{Kind, Off, Terms};
use holdfast_actors::domain::product::{Description, NewProduct, NewVariant, VariantDescription};
use holdfast_actors::domain::{CategoryId, Currency, Millis, Money, ProductId, Quantity, RuleId, Sku};
use holdfast_actors::{Clock as _, Context, Engine, SystemClock};
use secrecy::{ExposeSecret as _, SecretString};

use self::goods::{GOODS, Good, GoodVariant, RULE_PRIORITY, SEASON_DAYS, SHELVES};
use super::bootstrap::create;
use crate::auth::password::Passwords;
use crate::cli::Failure;

const ADMIN: &str = "admin@example.test";
const CUSTOMER: &str = "customer@example.test";

/// Makes the catalogue, its price rules and the two people, and prints how to log in.
pub(super) async fn fill(engine: &Engine, passwords: &Passwords) -> Result<(), Failure> {
    let shelves = put_up_shelves(engine).await?;
    for good in GOODS {
        let id = ProductId(crate::ids::make().as_u128());
        engine
            .create(&Context::system(), id, product(good, &shelves))
            .await
            .map_err(|failure| anyhow!("make the demo product {}: {failure:?}", good.name))?;
    }
    let rules = rules(&shelves);
    let rule_count = rules.len();
    for terms in rules {
        let id = RuleId(crate::ids::make().as_u128());
        engine
            .create_rule(&Context::system(), id, terms)
            .await
            .map_err(|failure| anyhow!("make a price rule of the demo: {failure:?}"))?;
    }
    let admin = make(engine, passwords, ADMIN, Role::Admin, Tier::Standard).await?;
    let customer = make(engine, passwords, CUSTOMER, Role::Customer, Tier::Gold).await?;
    let units: u32 = GOODS.iter().flat_map(|good| good.variants).map(|variant| variant.4).sum();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "demo: {} products with {units} units in {} categories, {rule_count} price rules, and two people (shown this \
         once)\n  admin     {ADMIN}  {}\n  customer  {CUSTOMER}  {}",
        GOODS.len(),
        SHELVES.len(),
        admin.expose_secret(),
        customer.expose_secret(),
    )
    .context("print the demo's people")?;
    Ok(())
}

/// Makes the categories; the answer has each by its slug.
async fn put_up_shelves(engine: &Engine) -> Result<BTreeMap<&'static str, CategoryId>, Failure> {
    let mut shelves = BTreeMap::new();
    for (slug, name, parent) in SHELVES {
        let id = CategoryId(crate::ids::make().as_u128());
        let parent = parent.map(|parent| shelves[parent]);
        let description = category::Description { name: (*name).into(), slug: (*slug).into(), parent };
        engine
            .create_category(&Context::system(), id, description)
            .await
            .map_err(|failure| anyhow!("make the demo category {slug}: {failure:?}"))?;
        shelves.insert(*slug, id);
    }
    Ok(shelves)
}

/// One rule of each kind.
fn rules(shelves: &BTreeMap<&'static str, CategoryId>) -> Vec<Terms> {
    let now = SystemClock.now();
    let rule = |name: &str, kind, percent_off| Terms {
        name: name.into(),
        kind,
        off: Off::Percent(percent_off),
        skus: Vec::new(),
        categories: Vec::new(),
        starts_at: None,
        ends_at: None,
        priority: RULE_PRIORITY,
        is_active: true,
    };
    let ten = Quantity::new(10).expect("it is not 0");
    vec![
        Terms {
            categories: vec![shelves["outdoor"]],
            starts_at: Some(now),
            ends_at: Some(now.after(Millis::from_secs(SEASON_DAYS * 24 * 60 * 60))),
            ..rule("Rain sale", Kind::Seasonal, 1_500)
        },
        Terms {
            categories: vec![shelves["home"]],
            ..rule("Ten and more", Kind::Bulk { min_quantity: ten }, 1_000)
        },
        rule("Gold customers", Kind::Tier { tier: Tier::Gold }, 500),
    ]
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

fn product(good: &Good, shelves: &BTreeMap<&'static str, CategoryId>) -> NewProduct {
    let description = Description {
        text: Some(good.text.into()),
        category_ids: vec![shelves[good.category]],
        attributes: good.attributes.into(),
        per_customer_limit: good.per_customer_limit.and_then(Quantity::new),
        ..Description::plain(
            good.name,
            Money(good.price),
            Currency::new("EUR").expect("three capital letters"),
        )
    };
    let variant = |(sku, name, attributes, price_adjustment, units): &GoodVariant| NewVariant {
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
        is_simple: good.variants.len() == 1,
        variants: good.variants.iter().map(variant).collect(),
    }
}
