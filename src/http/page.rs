//! Lists in pages: `?after=CURSOR&limit=N`, and where the next page begins.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Problem;

const DEFAULT: i64 = 100;
const MOST: i64 = 1000;

/// Which page is asked for.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// The `next` of the page before; nothing for the first page.
    pub after: Option<String>,
    /// Items at most, 1 to 1000; 100 if not given.
    pub limit: Option<i64>,
}

impl PageQuery {
    /// The cursor; empty for the beginning.
    pub fn after(&self) -> &str {
        self.after.as_deref().unwrap_or_default()
    }

    /// How many items at most.
    pub fn limit(&self) -> Result<i64, Problem> {
        match self.limit.unwrap_or(DEFAULT) {
            limit @ 1..=MOST => Ok(limit),
            limit => {
                let detail = format!("`limit` must be 1 to {MOST}, found {limit}");
                Err(Problem::invalid("limit-refused", detail, "ask for the next page by `after`"))
            }
        }
    }
}

/// A page of a list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next page, if this page is full.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of what was found with a limit; `cursor` tells where an item stands.
    pub fn of(items: Vec<T>, limit: i64, cursor: impl FnOnce(&T) -> String) -> Self {
        let is_full = usize::try_from(limit).is_ok_and(|limit| items.len() >= limit);
        let next = items.last().filter(|_| is_full).map(cursor);
        Self { items, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_not_full_is_the_last() {
        assert_eq!(Page::of(vec![1, 2], 2, ToString::to_string).next.as_deref(), Some("2"));
        assert_eq!(Page::of(vec![1, 2], 3, ToString::to_string).next, None);
    }

    #[test]
    fn a_limit_has_bounds() {
        let limit = |limit| PageQuery { after: None, limit: Some(limit) }.limit().is_ok();
        assert!(limit(1) && limit(1000) && !limit(0) && !limit(1001) && !limit(-1));
    }
}
