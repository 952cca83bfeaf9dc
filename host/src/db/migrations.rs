//! The schema's history, compiled into the binary. A migration that has been released is never edited: its checksum is in the
//! databases it was applied to.

use sqlx::{
    AssertSqlSafe, SqlSafeStr as _,
    migrate::{Migration, MigrationType, Migrator},
};

use super::Dialect;

macro_rules! migration {
    ($version:literal, $name:literal) => {
        ($version, $name, include_str!(concat!("../../migrations/", $name, ".sql")))
    };
}

const FILES: [(i64, &str, &str); 14] = [
    migration!(1, "0001_jobs"),
    migration!(2, "0002_catalog"),
    migration!(3, "0003_auth"),
    migration!(4, "0004_idempotency"),
    migration!(5, "0005_fair_share"),
    migration!(6, "0006_attempt_cost"),
    migration!(7, "0007_webhooks"),
    migration!(8, "0008_schedules"),
    migration!(9, "0009_job_history"),
    migration!(10, "0010_job_request"),
    migration!(11, "0011_registry"),
    migration!(12, "0012_shadow"),
    migration!(13, "0013_signatures"),
    migration!(14, "0014_costs"),
];

/// The newest version.
pub const NEWEST: i64 = FILES[FILES.len() - 1].0;

/// All migrations, oldest first.
pub fn migrator(dialect: Dialect) -> Migrator {
    let migrations = FILES.map(|(version, name, text)| {
        // Safe: a file of this repository.
        let sql = AssertSqlSafe(dialect.migration(version, text)).into_sql_str();
        Migration::new(version, name.into(), MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(migrations.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_listed_and_they_are_numbered_without_gaps() {
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        assert_eq!(std::fs::read_dir(directory).unwrap().count(), FILES.len());
        assert!(FILES.iter().map(|file| file.0).eq(1..=NEWEST));
    }
}
