//! One suite of behaviours, run over each kind of database. A test is a function over a [`store::Store`]. A behaviour that is
//! missing in the list here does not run: `-D warnings` reports its function as dead code.

mod store;
mod suite;

/// Makes a test of each behaviour over the store that `$open` opens.
macro_rules! behaviours {
    ($database:ident, $open:path) => {
        $crate::webhooks::tests::behaviours! { $database, $open =>
            outbox {
                an_event_is_handed_to_the_webhooks_of_its_team_that_want_it,
                an_event_that_is_rolled_back_is_told_to_nobody,
                a_message_tells_of_the_job_and_of_its_problem,
                a_disabled_webhook_is_handed_nothing,
                deliveries_outlive_their_job,
            }
            claims {
                a_delivery_is_claimed_once_however_many_want_it,
                a_webhook_has_no_more_under_way_than_it_may_and_the_others_do_not_wait,
                events_of_a_job_are_sent_in_order_and_one_that_failed_holds_up_nobody,
                a_sender_that_was_presumed_dead_changes_nothing,
                a_lease_that_ended_is_freed_and_one_that_holds_is_not,
            }
            outcomes {
                a_failure_is_tried_again_after_its_pause_until_the_schedule_ends,
                a_dead_letter_is_sent_again_on_demand_under_its_id,
                a_receiver_that_is_gone_is_told_nothing_more_until_somebody_enables_it,
                a_receiver_that_only_fails_is_disabled_after_the_limit_and_not_before,
                a_receiver_that_asks_for_a_pause_is_sent_nothing_meanwhile,
                what_a_receiver_answers_is_kept_for_its_team,
                a_ping_is_tried_once,
            }
            care {
                during_a_rotation_messages_are_signed_with_each_valid_secret,
                a_rotation_at_once_ends_the_secrets_before,
                a_team_has_as_many_webhooks_as_it_may_and_not_one_more,
                another_teams_webhook_is_refused_and_an_unknown_one_is_not_found,
                a_changed_webhook_is_told_what_it_asks_for_at_its_new_place,
                a_deleted_webhook_is_sent_nothing_and_leaves_nothing,
                what_is_older_than_it_has_to_be_kept_goes_and_the_rest_stays,
                pages_hold_every_delivery_once_newest_first,
            }
        }
    };
    ($database:ident, $open:path => $($subject:ident { $($behaviour:ident,)* })*) => {
        mod $database {
            $(mod $subject {
                $(#[tokio::test(flavor = "multi_thread")]
                async fn $behaviour() {
                    let Some(store) = $open().await else { return };
                    $crate::webhooks::tests::suite::$subject::$behaviour(store).await;
                })*
            })*
        }
    };
}

use behaviours;

behaviours!(sqlite, crate::webhooks::tests::store::Store::sqlite);
behaviours!(postgres, crate::webhooks::tests::store::Store::postgres);

/// Only a database with one server can promise it.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_takes_over_at_once() {
    suite::claims::a_restart_takes_over_at_once(store::Store::sqlite().await.unwrap()).await;
}
