//! The rules of variants, once more.

use holdfast_domain::Units;
use holdfast_domain::product::{Command, Refusal, Replacement, VariantDescription, VariantNo, WantedVariant};

use super::facts::{Fact, Model};

impl Model {
    pub(super) fn shaped(&self, command: &Command) -> Result<Vec<Fact>, Refusal> {
        match command {
            Command::AddVariant { variant, version } => {
                self.has_version(*version)?;
                adjusted(&variant.description)?;
                self.free(None, &variant.description)?;
                let no = VariantNo::from_index(self.places());
                let came = variant.initial_stock.map(|units| came(no, i64::from(units.get())));
                let facts = vec![Fact::Shaped, named(no, &variant.description), Fact::Simple(false)];
                Ok(facts.into_iter().chain(came).collect())
            }
            Command::DescribeVariant { variant, description, version } => {
                self.has_version(*version)?;
                self.known(*variant)?;
                if self.live().contains(&(*variant, VariantDescription::clone(description))) {
                    return Ok(Vec::new());
                }
                adjusted(description)?;
                self.free(Some(*variant), description)?;
                Ok(vec![Fact::Shaped, named(*variant, description)])
            }
            Command::RemoveVariant { variant, version } => {
                self.has_version(*version)?;
                self.known(*variant)?;
                let removed = self.removed(*variant)?;
                if self.live().len() == 1 {
                    return Err(Refusal::InvalidState);
                }
                Ok([Fact::Shaped].into_iter().chain(removed).collect())
            }
            Command::Replace(replacement) => self.replaced(replacement),
            other => panic!("not of variants: {other:?}"),
        }
    }

    fn replaced(&self, replacement: &Replacement) -> Result<Vec<Fact>, Refusal> {
        let Replacement { description, is_simple, variants, version } = replacement;
        self.has_version(*version)?;
        let mut skus: Vec<_> = variants.iter().map(|wanted| &wanted.description.sku).collect();
        skus.sort();
        skus.dedup();
        if variants.is_empty() || skus.len() < variants.len() || (*is_simple && variants.len() > 1) {
            return Err(Refusal::OutOfBounds);
        }
        if description.price.0 < 0 || description.price.0 > 1_000_000_000_000 {
            return Err(Refusal::OutOfBounds);
        }
        variants.iter().try_for_each(|wanted| adjusted(&wanted.description))?;
        let live = self.live();
        let place = |wanted: &WantedVariant| match live.as_slice() {
            [(only, _)] if *is_simple => Some(*only),
            all => all.iter().find(|(_, it)| it.sku == wanted.description.sku).map(|(no, _)| *no),
        };
        let is_fixed = |wanted: &WantedVariant| place(wanted).is_some() && wanted.initial_stock.is_some();
        if variants.iter().any(is_fixed) {
            let indexes = (0..variants.len()).filter(|index| is_fixed(&variants[*index]) && !is_simple);
            return Err(Refusal::StockFixed { indexes: indexes.collect() });
        }
        let mut facts = Vec::new();
        for (no, _) in &live {
            if !variants.iter().any(|wanted| place(wanted) == Some(*no)) {
                facts.extend(self.removed(*no)?);
            }
        }
        let mut places = self.places();
        for wanted in variants {
            let (no, is_new) = place(wanted).map_or((VariantNo::from_index(places), true), |no| (no, false));
            places += usize::from(is_new);
            let is_other = live.iter().any(|(it, present)| *it == no && *present != *wanted.description);
            if is_new || is_other {
                facts.push(named(no, &wanted.description));
            }
            if let Some(Units(units @ 1..)) = wanted.initial_stock {
                facts.push(came(no, i64::from(units)));
            }
        }
        if *is_simple != self.is_simple() {
            facts.push(Fact::Simple(*is_simple));
        }
        if **description != *self.description() {
            facts.push(Fact::Described(Box::new((**description).clone())));
        } else if !facts.is_empty() {
            facts.push(Fact::Shaped);
        }
        Ok(facts)
    }

    /// The variants that are sold, by number.
    pub(crate) fn live(&self) -> Vec<(VariantNo, VariantDescription)> {
        let mut live: Vec<(VariantNo, VariantDescription)> = Vec::new();
        for fact in &self.facts {
            match fact {
                Fact::Named { variant, description } => match live.iter_mut().find(|(no, _)| no == variant) {
                    Some((_, present)) => *present = description.clone(),
                    None => live.push((*variant, description.clone())),
                },
                Fact::Removed { variant } => live.retain(|(no, _)| no != variant),
                _ => {}
            }
        }
        live
    }

    pub(crate) fn is_simple(&self) -> bool {
        let simple = self.facts.iter().rev().find_map(|fact| match fact {
            Fact::Simple(is_simple) => Some(*is_simple),
            _ => None,
        });
        simple.expect("it is said when the product is made")
    }

    /// How many numbers were given.
    pub(crate) fn places(&self) -> usize {
        let number = |fact: &Fact| match fact {
            Fact::Named { variant, .. } => Some(variant.index() + 1),
            _ => None,
        };
        self.facts.iter().filter_map(number).max().unwrap_or(0)
    }

    fn removed(&self, variant: VariantNo) -> Result<Vec<Fact>, Refusal> {
        if self.reserved(variant) > 0 || self.committed(variant) > 0 {
            return Err(Refusal::InUse);
        }
        Ok(vec![came(variant, -self.available(variant)), Fact::Removed { variant }])
    }

    fn free(&self, own: Option<VariantNo>, description: &VariantDescription) -> Result<(), Refusal> {
        let sku = &description.sku;
        let is_taken = self.live().iter().any(|(no, it)| Some(*no) != own && it.sku == *sku);
        if is_taken { Err(Refusal::SkuTaken { sku: sku.clone() }) } else { Ok(()) }
    }
}

fn adjusted(description: &VariantDescription) -> Result<(), Refusal> {
    let is_fine = (-1_000_000_000_000..=1_000_000_000_000).contains(&description.price_adjustment.0);
    if is_fine { Ok(()) } else { Err(Refusal::OutOfBounds) }
}

fn named(variant: VariantNo, description: &VariantDescription) -> Fact {
    Fact::Named { variant, description: description.clone() }
}

const fn came(variant: VariantNo, units: i64) -> Fact {
    Fact::Came { variant, units }
}
