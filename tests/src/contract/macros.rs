//! The lists of all cases. A test at the end keeps them whole.

/// Makes a test of each case of a suite.
#[doc(hidden)]
#[macro_export]
macro_rules! contract_tests {
    ($suite:path, $harness:expr, [$($case:ident),* $(,)?]) => {
        $(
            #[test]
            fn $case() {
                use $suite as suite;
                let harness = $harness;
                $crate::contract::Harness::run(&harness, suite::$case(&harness));
            }
        )*
    };
}

/// Makes a test of each case of the [clock's and timer's contract](crate::contract::time).
#[macro_export]
macro_rules! time_contract {
    ($harness:expr) => {
        $crate::contract_tests!(
            $crate::contract::time,
            $harness,
            [
                monotonic_time_never_goes_back,
                what_passes_is_seen,
                the_past_wakes_at_once,
                nothing_wakes_early,
                waits_do_not_depend_on_each_other,
                a_dropped_wait_is_forgotten,
            ]
        );
    };
}

/// Makes a test of each case of the [ids' contract](crate::contract::ids).
#[macro_export]
macro_rules! ids_contract {
    ($harness:expr) => {
        $crate::contract_tests!(
            $crate::contract::ids,
            $harness,
            [call_ids_are_unique, run_ids_are_unique, attempts_made_from_them_are_unique, ids_travel_anywhere,]
        );
    };
}

/// Makes a test of each case of the [journal's contract](crate::contract::journal).
#[macro_export]
macro_rules! journal_contract {
    ($harness:expr) => {
        $crate::contract_tests!(
            $crate::contract::journal,
            $harness,
            [
                an_empty_journal_knows_nothing,
                events_come_back_in_order,
                events_after_a_version,
                calls_are_apart,
                every_event_survives,
                a_stale_append_is_a_conflict,
                a_conflict_writes_nothing_of_its_entry,
                a_conflict_leaves_the_other_entries,
                what_continues_a_refused_entry_is_refused,
                of_several_writers_one_wins,
                a_repetition_is_written_once,
                every_entry_has_an_answer,
                intents_are_open_until_resolved,
                resolving_twice_is_no_error,
                the_first_remembered_counts,
                what_is_forgotten_can_be_remembered_anew,
                another_handle_sees_what_was_answered,
            ]
        );
    };
}

/// Makes a test of each case of the [permits' contract](crate::contract::permits).
#[macro_export]
macro_rules! permits_contract {
    ($harness:expr) => {
        $crate::contract_tests!(
            $crate::contract::permits,
            $harness,
            [
                a_permit_names_its_dial,
                all_within_the_limit_are_granted,
                one_too_many_waits_for_a_release,
                a_dropped_request_is_taken_back,
                permits_go_round,
            ]
        );
    };
}

/// Makes a test of each case of the [store's contract](crate::contract::store). A store has to pass the
/// [journal's](crate::journal_contract) too, through [`AsJournal`](crate::contract::store::AsJournal).
#[macro_export]
macro_rules! store_contract {
    ($harness:expr) => {
        $crate::contract_tests!(
            $crate::contract::store::calls,
            $harness,
            [
                a_call_that_is_handed_in_has_its_first_event,
                nothing_is_handed_in,
                a_call_that_is_handed_in_again_is_the_same,
                a_call_with_a_key_is_handed_in_again,
                the_same_key_gives_the_first_call,
                a_key_serves_one_wish,
                calls_without_a_key_are_apart,
                a_call_is_followed,
                a_closed_call_is_told_of,
                a_closed_call_is_over,
                late_evidence_is_taken,
                news_is_heard,
            ]
        );
        $crate::contract_tests!(
            $crate::contract::store::claims,
            $harness,
            [
                nothing_waits,
                numbers_are_taken_for_calls,
                a_number_that_is_owed_is_taken,
                a_claim_keeps_to_its_numbers,
                a_call_may_have_a_choice_of_numbers,
                calls_come_in_their_order,
                a_claim_takes_as_many_calls_as_it_asks_for,
                a_claimed_call_is_whole,
                calls_are_left_to_who_holds_their_number,
                a_stand_by_knows_when_to_look,
                a_race_has_one_winner,
                shared_calls_are_shared_out_once,
                a_lost_answer_is_given_again,
                a_lost_answer_is_given_as_things_are_then,
                who_has_lost_all_begins_anew,
                who_holds_anything_keeps_its_calls,
            ]
        );
        $crate::contract_tests!(
            $crate::contract::store::handover,
            $harness,
            [
                a_dead_process_is_succeeded,
                a_request_is_open_for_a_while_and_then_over,
                who_comes_late_is_fenced,
                who_is_not_succeeded_may_speak,
                a_successors_dial_is_not_taken_for_ones_own,
                who_is_only_late_goes_on,
                a_lost_lease_keeps_its_epoch,
                epochs_grow_by_one,
                a_doubt_is_handed_over,
            ]
        );
        $crate::contract_tests!(
            $crate::contract::store::leases,
            $harness,
            [
                nothing_is_prolonged,
                all_leases_are_prolonged,
                what_is_given_back_is_free,
                who_holds_nothing_has_no_calls,
                what_is_anothers_is_left_alone,
                a_free_number_is_had_for_the_asking,
                a_wish_is_told_and_comes_true,
                a_wish_ends,
                a_wish_is_granted_by_a_claim_too,
                a_lease_lasts,
            ]
        );
        $crate::contract_tests!(
            $crate::contract::store::commits,
            $harness,
            [
                an_intent_needs_the_number_and_the_call,
                what_was_given_back_is_fenced,
                a_fence_writes_nothing_of_its_entry,
                a_fence_leaves_the_other_entries,
                events_are_written_by_who_has_the_call,
                a_repeated_commit_changes_nothing,
                repeated_entries_are_known_one_by_one,
                a_commit_of_another_wording_is_no_repetition,
                what_is_remembered_is_shared,
            ]
        );
        $crate::contract_tests!(
            $crate::contract::store::evidence,
            $harness,
            [
                agents_are_known_to_all,
                the_younger_answer_counts,
                a_number_is_known_to_its_next_holder,
                an_intended_change_ends_what_is_known,
                only_the_holder_knows,
                a_successor_knows_our_agents,
            ]
        );
        $crate::contract_tests!(
            $crate::contract::store::cancelling,
            $harness,
            [
                an_unknown_call_is_not_cancelled,
                a_waiting_call_is_withdrawn,
                who_has_the_call_is_asked,
                the_wish_goes_with_the_call,
                an_orphan_is_withdrawn,
                a_dialled_orphan_is_not_withdrawn,
                an_ended_call_stays_as_it_is,
            ]
        );
    };
}

/// Makes a test of each case of the [provider's contract](crate::contract::provider).
#[macro_export]
macro_rules! provider_contract {
    ($harness:expr) => {
        $crate::contract_tests!(
            $crate::contract::provider::agents,
            $harness,
            [
                an_agent_is_found_by_its_id,
                an_unknown_agent_is_none,
                an_archived_agent_is_hidden_but_known,
                every_page_of_agents_can_be_read,
                a_page_is_no_larger_than_asked,
                agents_are_searched_by_name,
                summaries_leave_out_the_unknown,
            ]
        );
        $crate::contract_tests!(
            $crate::contract::provider::reads,
            $harness,
            [
                words_nobody_knows_do_no_harm,
                fields_left_out_do_no_harm,
                slow_answers_are_waited_for,
                failed_reads_say_what_is_wrong,
                failed_reads_never_have_an_effect,
            ]
        );
        $crate::contract_tests!(
            $crate::contract::provider::numbers,
            $harness,
            [
                every_kind_of_number_is_read,
                an_unknown_number_is_none,
                an_assignment_is_answered_as_it_is,
                the_last_assignment_wins,
                an_outbound_only_number_cannot_be_assigned,
                nothing_unknown_is_assigned,
                an_ignored_assignment_shows_in_the_answer,
                a_lying_answer_is_passed_on_as_it_is,
                a_late_assignment_is_not_sent,
                a_refused_assignment_has_no_effect,
                an_unanswered_assignment_is_in_doubt,
            ]
        );
        $crate::contract_tests!(
            $crate::contract::provider::dialer,
            $harness,
            [
                every_kind_of_line_can_be_dialled_from,
                an_accepted_dial_is_found_by_its_attempt,
                the_callers_user_id_goes_through,
                variables_keep_their_types,
                a_refusal_is_an_answer,
                a_refusal_may_bring_a_conversation,
                every_attempt_is_a_dial_of_its_own,
                nobody_dials_from_an_unknown_kind_of_line,
                a_line_is_dialled_on_its_own_route_only,
                nothing_unknown_is_dialled,
                a_late_dial_is_not_sent,
            ]
        );
        $crate::contract_tests!(
            $crate::contract::provider::doubts,
            $harness,
            [
                a_dial_without_a_verdict_is_in_doubt,
                a_dial_in_doubt_can_be_looked_up,
                a_dropped_dial_happens_at_most_once,
                a_rate_limit_is_retryable,
                a_rate_limit_without_json_is_in_doubt,
                a_denied_dial_is_permanent,
            ]
        );
        $crate::contract_tests!(
            $crate::contract::provider::conversations,
            $harness,
            [
                an_unknown_conversation_is_none,
                a_conversation_tells_of_its_call,
                conversations_are_found_by_user_id,
                conversations_are_found_by_agent_and_time,
                every_page_of_conversations_can_be_read,
            ]
        );
    };
}

#[cfg(test)]
mod tests {
    /// Every public function of a suite is a case, and every case is in its list.
    #[test]
    fn no_case_is_left_out() {
        let lists: String = include_str!("macros.rs").split_whitespace().collect();
        let suites = [
            ("time", include_str!("time.rs")),
            ("ids", include_str!("ids.rs")),
            ("journal", include_str!("journal/mod.rs")),
            ("permits", include_str!("permits.rs")),
            ("store::calls", include_str!("store/calls.rs")),
            ("store::claims", include_str!("store/claims.rs")),
            ("store::handover", include_str!("store/handover.rs")),
            ("store::leases", include_str!("store/leases.rs")),
            ("store::commits", include_str!("store/commits.rs")),
            ("store::evidence", include_str!("store/evidence.rs")),
            ("store::cancelling", include_str!("store/cancelling.rs")),
            ("provider::agents", include_str!("provider/agents.rs")),
            ("provider::reads", include_str!("provider/reads.rs")),
            ("provider::numbers", include_str!("provider/numbers.rs")),
            ("provider::dialer", include_str!("provider/dialer.rs")),
            ("provider::doubts", include_str!("provider/doubts.rs")),
            ("provider::conversations", include_str!("provider/conversations.rs")),
        ];
        for (suite, source) in suites {
            let start = format!("contract_tests!($crate::contract::{suite},$harness,[");
            let (_, rest) = lists.split_once(&start).unwrap_or_else(|| panic!("no list of {suite}"));
            let (list, _) = rest.split_once(']').expect("a list ends");
            let mut listed: Vec<&str> = list.split(',').filter(|case| !case.is_empty()).collect();
            let cases = source.lines().filter_map(|line| line.strip_prefix("pub async fn ")?.split('(').next());
            let mut cases: Vec<&str> = cases.collect();
            listed.sort_unstable();
            cases.sort_unstable();
            assert_eq!(listed, cases, "{suite}");
        }
    }
}
