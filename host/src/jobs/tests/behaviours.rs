//! The list of behaviours. A behaviour that is missing here does not run: `-D warnings` reports its function as dead code.

/// Makes a test of each behaviour over the store that `$open` opens.
macro_rules! behaviours {
    ($open:path) => {
        $crate::jobs::tests::behaviours::behaviours! { $open =>
            plan {
                a_plan_that_breaks_a_rule_is_refused_and_stores_nothing,
                a_job_of_an_unknown_team_is_refused_and_stores_nothing,
                an_unknown_job_is_an_error_that_names_it,
                a_stage_opens_with_the_last_output_of_the_stage_before,
                older_jobs_are_claimed_first_and_tasks_in_order,
                a_result_with_a_degraded_component_is_partial,
                what_ran_beside_a_result_and_failed_leaves_the_job_as_it_is,
                a_final_output_that_is_no_result_fails_the_job,
                an_output_past_the_size_limit_fails_the_job_with_the_limit,
            }
            lease {
                a_task_is_claimed_once_however_many_want_it,
                a_stale_epoch_cannot_write_about_a_reclaimed_task,
                a_lease_that_holds_is_not_rescued_and_one_that_ended_is,
                a_renewed_lease_is_good_for_another_full_time,
                a_task_that_loses_every_worker_fails_its_job_at_the_limit,
                recovery_leaves_the_tasks_of_its_own_process_alone,
            }
            share {
                many_workers_are_shared_by_weight,
                a_single_worker_is_shared_by_weight_too,
                a_thousand_tasks_of_one_team_do_not_delay_another_team,
                a_team_at_its_limit_waits_and_the_others_do_not,
                higher_priorities_begin_first_and_know_how_many_are_ahead,
                a_priority_is_worth_nothing_beside_another_team,
                a_live_twin_is_found_until_it_ends,
                a_plan_read_back_is_the_plan_that_was_stored,
                what_attempts_cost_is_charged_to_their_team_however_they_end,
                yesterdays_usage_does_not_count,
                an_operators_limit_of_a_team_goes_before_the_defaults,
            }
            retention {
                a_job_is_old_so_long_after_its_end_unless_it_is_pinned_or_live,
                a_deleted_job_leaves_no_row_and_a_live_or_pinned_one_is_refused,
                a_history_longer_than_a_transaction_goes_in_slices,
                what_a_job_names_anywhere_is_found_while_it_lives_and_after,
                an_ended_job_lets_go_of_its_checkpoints,
            }
            schedules {
                a_time_is_fired_once_however_many_nodes_try,
                missed_times_are_made_up_for_once_or_not_at_all,
                a_change_after_reading_wins_over_the_firing,
                a_twin_or_a_full_team_is_skipped_with_the_reason,
                failures_in_a_row_disable_it_at_the_limit_and_a_job_forgets_them,
                a_schedule_whose_key_is_gone_is_disabled_with_the_reason,
                a_firing_that_breaks_off_leaves_the_schedule_due,
                a_team_has_so_many_schedules_and_each_name_once,
                a_job_made_on_demand_is_the_schedules_last_and_moves_nothing,
            }
            retry {
                a_task_may_fail_one_time_less_than_the_limit,
                a_task_that_fails_as_often_as_allowed_fails_its_job_with_the_history,
                a_retry_waits_for_its_pause,
                a_fatal_failure_ends_the_job_and_all_its_tasks,
                a_release_counts_no_attempt,
                a_deadline_counts_from_the_first_claim,
                an_overdue_job_that_nobody_runs_is_ended_by_the_reconciler,
                a_job_without_anything_left_to_run_does_not_stay_forever,
                a_second_ending_changes_nothing,
            }
            cancel {
                a_queued_job_is_cancelled_at_once,
                a_running_job_is_cancelled_when_its_last_task_has_stopped,
                cancelling_again_or_too_late_changes_nothing,
                an_acknowledged_cancel_wins_over_whatever_the_task_comes_to,
                a_job_that_waits_for_its_next_attempt_is_cancelled_at_once,
                a_cancelled_job_whose_worker_died_is_cancelled_by_the_reconciler,
                cancel_and_finish_racing_leave_one_terminal_state,
            }
            read {
                progress_is_the_weighted_sum_and_reaches_one_only_at_the_end,
                progress_does_not_go_back_when_a_task_starts_over,
                events_tell_the_whole_story_in_order_and_from_any_point,
                pages_hold_every_job_once_newest_first,
                a_list_shows_one_team_and_what_the_filter_lets_through,
                a_job_shows_what_was_asked_for_and_keeps_its_plan,
                a_list_and_a_look_at_each_job_say_the_same,
            }
            history {
                every_filter_finds_its_jobs_page_by_page_newest_first,
                a_job_is_found_under_its_new_tags_and_name_only,
                every_phase_has_its_time,
                a_stage_that_was_cut_short_has_an_end_and_later_ones_have_none,
                attempts_are_paged_oldest_first_and_none_is_left_out,
                what_ended_jobs_took_says_what_queued_ones_will,
                a_job_that_fails_teaches_nothing,
                the_outlook_is_of_the_whole_queue_in_the_order_of_the_claims,
                a_claim_without_a_sign_of_life_is_noticed,
                workers_count_from_their_start_to_their_drain,
                a_round_of_learning_looks_at_the_newest_events_only,
                a_process_that_says_nothing_for_a_minute_does_not_count,
                a_queue_of_too_many_stages_is_not_looked_ahead_for,
            }
            costs {
                a_jobs_cost_is_written_down_once_however_often_its_tasks_were_tried,
                a_job_without_a_result_leaves_no_costs,
                the_newest_jobs_say_what_a_component_costs,
                other_teams_jobs_count_only_where_a_team_has_none_and_asks_for_all,
                what_a_job_is_expected_to_use_counts_until_it_has_ended,
                a_job_that_nobody_has_submitted_is_foreseen_behind_the_queue,
            }
            worker {
                stages_see_the_outputs_of_earlier_ones_in_order,
                outputs_of_an_unknown_stage_are_a_fatal_problem,
                a_panic_fails_the_job_and_the_worker_lives_on,
                a_fatal_task_interrupts_the_others_of_its_job,
                a_cancel_reaches_a_running_task_by_signal,
                a_cancel_by_another_process_is_found_by_the_heartbeat,
                a_deadline_stops_a_running_task_and_fails_the_job,
                a_retry_starts_from_the_last_checkpoint,
                a_damaged_checkpoint_means_starting_over,
                a_drain_gives_tasks_back_without_counting_the_attempt,
                a_drain_does_not_wait_longer_than_its_grace,
                a_worker_that_cannot_renew_its_lease_stops_itself,
                heartbeats_keep_a_long_task_from_being_rescued,
                a_missing_artifact_is_a_fatal_problem_that_names_it,
                log_lines_are_kept_up_to_the_limit_and_the_drop_is_told,
                reports_in_quick_succession_are_merged,
                many_jobs_at_once_all_run_exactly_once,
            }
        }
    };
    ($open:path => $($subject:ident { $($behaviour:ident,)* })*) => {
        $(mod $subject {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $behaviour() {
                let Some(store) = $open().await else { return };
                $crate::jobs::tests::suite::$subject::$behaviour(store).await;
            })*
        })*
    };
}

pub(super) use behaviours;
