//! Products: made, edited, and asked anything that the rules know a command for.

use std::sync::Arc;

use holdfast_domain::product::{Command, Description, NewProduct, Status, VariantNo};
use holdfast_domain::{ProductId, Sku};

use super::{Answer, Claimed, Engine, Failure, into_answer};
use crate::card::{Card, Info};
use crate::context::Context;
use crate::outcome::{Outcome, ProductFacts};
use crate::turn::Wish;

impl Engine {
    /// Carries out any command on a product.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn command(
        &self,
        context: &Context,
        product: ProductId,
        command: Command,
    ) -> Result<Answer<Outcome>, Failure> {
        self.ask(context, product, Wish::Do(command)).await
    }

    /// Carries out a command on the variant of that sku.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn command_on(
        &self,
        context: &Context,
        sku: &Sku,
        command: impl FnOnce(VariantNo) -> Command,
    ) -> Result<Answer<Outcome>, Failure> {
        // The key is asked first: a retry meets its answer even when nobody has the sku by now.
        let key = match self.claim(context).await? {
            Claimed::Kept(reply) => return into_answer(reply),
            Claimed::Free(key) => key,
        };
        let (product, variant) = self.find(sku).ok_or(Failure::NotFound)?;
        let partition = self.inner.slots.partition(product.0);
        self.send(context, key, product, partition, Wish::Do(command(variant))).await
    }

    /// Makes a product.
    ///
    /// # Errors
    ///
    /// [`Failure::DuplicateSku`], and whatever else keeps it from being made.
    pub async fn create(
        &self,
        context: &Context,
        product: ProductId,
        new: NewProduct,
    ) -> Result<Answer<ProductFacts>, Failure> {
        let key = match self.claim(context).await? {
            Claimed::Kept(reply) => return Ok(into_answer(reply)?.map(into_facts)),
            Claimed::Free(key) => key,
        };
        let skus = new.variants.iter().map(|variant| Arc::clone(&variant.description)).collect();
        // The claim travels with the wish: a client that hangs up cannot free the skus of a product that is made.
        let skus = self.inner.directory.claim(product, skus).map_err(Failure::DuplicateSku)?;
        let partition = self.inner.slots.partition(product.0);
        let wish = Wish::Create { new, skus };
        Ok(self.send(context, key, product, partition, wish).await?.map(into_facts))
    }

    /// Changes a product's description: `edit` makes the new one from the present one.
    ///
    /// # Errors
    ///
    /// [`Failure`]; a `version` that is not the present one is [`holdfast_domain::product::Refusal::VersionMismatch`].
    pub async fn edit(
        &self,
        context: &Context,
        product: ProductId,
        version: Option<u32>,
        edit: impl FnOnce(&Description) -> Description + Send + 'static,
    ) -> Result<Answer<ProductFacts>, Failure> {
        let wish = Wish::Edit { version, edit: Box::new(edit) };
        Ok(self.ask(context, product, wish).await?.map(into_facts))
    }

    /// The card of a product that is no draft, and the variant that is meant.
    pub(super) fn sellable(
        &self,
        product: ProductId,
        sku: Option<&Sku>,
    ) -> Result<(Arc<Card>, VariantNo), Failure> {
        let card = self.inner.directory.card(product).ok_or(Failure::NotFound)?;
        let info = card.info();
        if info.description.status == Status::Draft {
            return Err(Failure::NotFound);
        }
        let variant = named_variant(&info, sku)?;
        Ok((card, variant))
    }
}

pub(super) fn into_facts(outcome: Outcome) -> ProductFacts {
    match outcome {
        Outcome::Product(facts) => *facts,
        other => unreachable!("a description was answered with {other:?}"),
    }
}

/// The variant that a request means: the named one, or the only one.
pub(super) fn named_variant(info: &Info, sku: Option<&Sku>) -> Result<VariantNo, Failure> {
    match sku {
        Some(sku) => info.find(sku).ok_or(Failure::NotFound),
        None => info.only_variant().ok_or(Failure::SkuRequired),
    }
}
