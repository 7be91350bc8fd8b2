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
                of_several_writers_one_wins,
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
