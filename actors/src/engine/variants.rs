//! Variants of a product: added, described anew, taken out, and all of them replaced together with their product.

use holdfast_domain::product::{
    Command, NewVariant, Product, Refusal, Replacement, VariantDescription, VariantNo,
};
use holdfast_domain::{ProductId, Sku};

use super::products::into_facts;
use super::{Answer, Claimed, Engine, Failure, into_answer};
use crate::context::Context;
use crate::outcome::{Outcome, ProductFacts};
use crate::pending::Stopped;
use crate::turn::{Shape, Wish};

impl Engine {
    /// Changes a product's description and variants together: `shape` says from the present product what it shall be.
    ///
    /// # Errors
    ///
    /// [`Failure`]; what `shape` refuses is refused.
    pub async fn replace(
        &self,
        context: &Context,
        product: ProductId,
        shape: impl FnOnce(&Product) -> Result<Replacement, Refusal> + Send + 'static,
    ) -> Result<Answer<ProductFacts>, Failure> {
        let shape: Shape = Box::new(move |product| shape(product).map(|it| Command::Replace(Box::new(it))));
        Ok(self.ask(context, product, Wish::Shape(shape)).await?.map(into_facts))
    }

    /// Adds a variant to a product, and answers the product.
    ///
    /// # Errors
    ///
    /// [`Failure`]; a sku that somebody has is [`Refusal::SkuTaken`].
    pub async fn add_variant(
        &self,
        context: &Context,
        product: ProductId,
        version: Option<u32>,
        variant: NewVariant,
    ) -> Result<Answer<ProductFacts>, Failure> {
        let wish = Wish::Do(Command::AddVariant { variant, version });
        Ok(self.ask(context, product, wish).await?.map(into_facts))
    }

    /// Describes the variant of that sku anew, as `edit` makes it from the present description, and answers its
    /// product.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn describe_variant(
        &self,
        context: &Context,
        sku: &Sku,
        version: Option<u32>,
        edit: impl FnOnce(&VariantDescription) -> VariantDescription + Send + 'static,
    ) -> Result<Answer<ProductFacts>, Failure> {
        let answer = self.ask_variant(context, sku, move |variant, product| {
            let present = product.variant(variant).ok_or(Refusal::UnknownVariant { variant })?;
            let description = edit(&present.description).into();
            Ok(Command::DescribeVariant { variant, description, version })
        });
        Ok(answer.await?.map(into_facts))
    }

    /// Takes the variant of that sku out of its product, with the units that nobody holds, and answers what is left.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn remove_variant(
        &self,
        context: &Context,
        sku: &Sku,
        version: Option<u32>,
    ) -> Result<Answer<ProductFacts>, Failure> {
        let answer =
            self.ask_variant(context, sku, move |variant, _| Ok(Command::RemoveVariant { variant, version }));
        Ok(answer.await?.map(into_facts))
    }

    /// Waits until every turn that took a sku away is durable: before that, a crash may bring back what a look-up by
    /// sku did not find.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn until_absence_is_certain(&self) -> Result<(), Stopped> {
        self.durable(self.inner.directory.freed()).await
    }

    /// The key is asked first: a retry meets its answer even when nobody has the sku by now.
    async fn ask_variant(
        &self,
        context: &Context,
        sku: &Sku,
        command: impl FnOnce(VariantNo, &Product) -> Result<Command, Refusal> + Send + 'static,
    ) -> Result<Answer<Outcome>, Failure> {
        let key = match self.claim(context).await? {
            Claimed::Kept(reply) => return into_answer(reply),
            Claimed::Free(key) => key,
        };
        let (product, variant) = self.find(sku).ok_or(Failure::NotFound)?;
        let partition = self.inner.slots.partition(product.0);
        let sku = sku.clone();
        let shape: Shape = Box::new(move |product| {
            // It may have been renamed since it was looked up.
            let is_it = product.find(&sku) == Some(variant);
            if is_it { command(variant, product) } else { Err(Refusal::UnknownVariant { variant }) }
        });
        self.send(context, key, product, partition, Wish::Shape(shape)).await
    }
}
