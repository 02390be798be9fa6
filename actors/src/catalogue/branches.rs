//! Which products are listed in a category or below it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use holdfast_domain::CategoryId;
use holdfast_domain::category::Categories;
use roaring::RoaringBitmap;

use crate::directory::Published;

/// For every category its products, and those of its whole branch.
#[derive(Debug, Default)]
pub(super) struct Branches {
    categories: Arc<Published<Categories>>,
    direct: HashMap<CategoryId, RoaringBitmap>,
    within: HashMap<CategoryId, RoaringBitmap>,
}

impl Branches {
    /// The products of a branch.
    pub(super) fn within(&self, category: CategoryId) -> Option<&RoaringBitmap> {
        self.within.get(&category)
    }

    /// Takes a new tree. One in which a category with products has another parent costs a new look at all of them.
    pub(super) fn take_categories(&mut self, categories: Arc<Published<Categories>>) {
        let before = std::mem::replace(&mut self.categories, categories);
        let parent = |tree: &Categories, id| tree.get(id).and_then(|it| it.description.parent);
        let has_moved = |id: &CategoryId| parent(&before.value, *id) != parent(&self.categories.value, *id);
        if self.within.keys().any(has_moved) {
            self.rebuild();
        }
    }

    /// The same tree without products.
    pub(super) fn emptied(self) -> Self {
        Self { categories: self.categories, ..Self::default() }
    }

    /// Lists a product where it is now and no more where it was.
    pub(super) fn relist(&mut self, product: u32, left: &[CategoryId], entered: &[CategoryId]) {
        if left == entered {
            return;
        }
        let (before, now) = (self.with_ancestors(left), self.with_ancestors(entered));
        for id in left {
            take_out(&mut self.direct, *id, product);
        }
        for id in entered {
            self.direct.entry(*id).or_default().insert(product);
        }
        for id in before.difference(&now) {
            take_out(&mut self.within, *id, product);
        }
        for id in now.difference(&before) {
            self.within.entry(*id).or_default().insert(product);
        }
    }

    /// Lists a product that is new, and leaves the branches to [`Branches::rebuild`].
    pub(super) fn list_only(&mut self, product: u32, entered: &[CategoryId]) {
        for id in entered {
            self.direct.entry(*id).or_default().insert(product);
        }
    }

    /// Makes every branch anew from the products of each category.
    pub(super) fn rebuild(&mut self) {
        let mut within: HashMap<CategoryId, RoaringBitmap> = HashMap::new();
        for (id, products) in &self.direct {
            for id in self.with_ancestors(&[*id]) {
                *within.entry(id).or_default() |= products;
            }
        }
        self.within = within;
    }

    /// Those categories and all above them. One that the tree does not know yet stands alone.
    fn with_ancestors(&self, ids: &[CategoryId]) -> HashSet<CategoryId> {
        let tree = &self.categories.value;
        ids.iter().flat_map(|id| tree.path(*id).map(|it| it.id).chain([*id])).collect()
    }
}

fn take_out(sets: &mut HashMap<CategoryId, RoaringBitmap>, id: CategoryId, product: u32) {
    let Some(set) = sets.get_mut(&id) else { return };
    set.remove(product);
    if set.is_empty() {
        sets.remove(&id);
    }
}
