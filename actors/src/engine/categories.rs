//! Categories: made, changed and removed by the shard that keeps them; read by everybody.

use std::sync::Arc;

use holdfast_domain::CategoryId;
use holdfast_domain::category::{Categories, Category, Description};

use super::{Answer, Engine, Failure};
use crate::categories::{AskCategories, CATEGORIES_PARTITION, CategoryWish};
use crate::context::Context;
use crate::directory::Published;
use crate::outcome::Outcome;
use crate::pending::Stopped;

impl Engine {
    /// All categories, durable.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn categories(&self) -> Result<Arc<Published<Categories>>, Stopped> {
        let published = self.inner.directory.categories();
        self.durable(published.ticket).await?;
        Ok(published)
    }

    /// The version of a category now, durable or not: for comparing, not for showing.
    #[must_use]
    pub fn category_version(&self, id: CategoryId) -> Option<u32> {
        self.inner.directory.categories().value.get(id).map(|category| category.version)
    }

    /// Makes a category.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn create_category(
        &self,
        context: &Context,
        id: CategoryId,
        description: Description,
    ) -> Result<Answer<Category>, Failure> {
        let wish = CategoryWish::Create { id, description };
        Ok(self.ask_categories(context, wish).await?.map(into_category))
    }

    /// Changes a category.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn describe_category(
        &self,
        context: &Context,
        id: CategoryId,
        description: Description,
        version: Option<u32>,
    ) -> Result<Answer<Category>, Failure> {
        let wish = CategoryWish::Describe { id, description, version };
        Ok(self.ask_categories(context, wish).await?.map(into_category))
    }

    /// Removes a category that nobody uses.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn delete_category(
        &self,
        context: &Context,
        id: CategoryId,
        version: Option<u32>,
    ) -> Result<Answer<()>, Failure> {
        let wish = CategoryWish::Delete { id, version };
        Ok(self.ask_categories(context, wish).await?.map(drop))
    }

    async fn ask_categories(
        &self,
        context: &Context,
        wish: CategoryWish,
    ) -> Result<Answer<Outcome>, Failure> {
        self.ask_office(context, CATEGORIES_PARTITION, |key, reply| AskCategories {
            wish,
            context: context.clone(),
            key,
            reply,
        })
        .await
    }
}

fn into_category(outcome: Outcome) -> Category {
    match outcome {
        Outcome::Category(category) => *category,
        other => unreachable!("a category was answered with {other:?}"),
    }
}
