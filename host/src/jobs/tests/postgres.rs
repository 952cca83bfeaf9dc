//! The suite over PostgreSQL.

use super::behaviours::behaviours;

behaviours!(crate::jobs::tests::store::Store::postgres);
