//! One suite of behaviours, run over each kind of database. A behaviour that is missing in the list here does not run:
//! `-D warnings` reports its function as dead code.

mod store;
mod suite;

/// Makes a test of each behaviour over the store that `$open` opens.
macro_rules! behaviours {
    ($database:ident, $open:path) => {
        $crate::catalog::plugins::tests::behaviours! { $database, $open =>
            a_version_never_changes_and_the_newest_usable_one_is_meant_by_a_name,
            a_version_that_has_not_passed_gives_way_to_other_bytes,
            an_upload_that_failed_hides_nothing_that_is_shipped,
            an_alias_is_promoted_and_rolled_back_further_each_time,
            a_name_alone_means_stable_once_something_was_promoted,
            what_cannot_be_used_is_not_promoted_and_passed_over_on_the_way_back,
            a_plugin_has_as_many_aliases_as_it_may_and_not_one_more,
            a_deleted_alias_names_nothing,
            a_version_is_quarantined_by_the_last_job_of_the_limit_and_not_before,
            failures_of_one_team_do_not_hold_a_version_back_for_another,
            failures_before_a_release_or_the_window_do_not_count,
            what_the_owner_holds_back_is_held_back_for_all_until_the_owner_releases_it,
            an_alias_that_falls_back_goes_to_the_version_before_and_another_stays,
            a_plugin_is_seen_by_those_it_is_shared_with_by_its_owners_name_only,
            a_deprecated_version_can_be_used_and_says_what_its_owner_says,
            a_rerun_is_refused_where_a_version_of_its_plan_is_held_back,
            what_runs_beside_an_alias_is_set_and_taken_away,
            what_came_of_a_candidate_is_listed_for_its_team_newest_first,
            a_job_counts_once_for_each_way_in_which_a_version_failed_it,
            a_failure_is_counted_once_however_many_write_it_down_at_once,
        }
    };
    ($database:ident, $open:path => $($behaviour:ident,)*) => {
        mod $database {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $behaviour() {
                let Some(store) = $open().await else { return };
                $crate::catalog::plugins::tests::suite::$behaviour(store).await;
            })*
        }
    };
}

use behaviours;

behaviours!(sqlite, crate::catalog::plugins::tests::store::Store::sqlite);
behaviours!(postgres, crate::catalog::plugins::tests::store::Store::postgres);
