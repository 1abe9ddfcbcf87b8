//! What every journal promises, whatever it stands on: one suite, run by each store with a bench of its own.

pub(crate) mod begins;
pub(crate) mod lanes;
pub(crate) mod quarantine;
pub(crate) mod removal;
pub(crate) mod seals;
pub(crate) mod steps;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::batch::{Batch, CursorWrite, EffectChange, EffectKey, Wake};
use super::chain::Break;
use super::lane::{Claim, LaneKey, LaneKind};
use super::sense::{CALL_BUDGET, kill_switch};
use super::testing::*;
use super::{CommitError, FailedPass, Filter, Journal, NoteToWrite, Pause};
use crate::model::action::{Action, Mode};
use crate::model::id::{ActionId, NoteId};
use crate::model::incident::IncidentRef;
use crate::model::scope::WorkspaceKey;
use crate::record::event::{StreamKey, StreamKind};

/// An empty journal for one test, and the clock by which it judges.
pub(crate) trait Bench: Sized {
    type Journal: Journal + 'static;

    /// Whether what it stands on is there; otherwise its tests are left out, which it says.
    fn is_there() -> bool {
        true
    }

    fn new() -> Self;

    fn clock(&self) -> &ManualClock;

    /// Opens it for a process that works on lanes.
    fn open_as(&self, boot: &str) -> Self::Journal;

    fn open(&self) -> Self::Journal {
        self.open_as("boot")
    }

    /// Opens it for a command.
    fn visit(&self) -> Self::Journal;

    /// Somebody with the store in hand changes it.
    fn meddle(&self, sql: &str);
}

/// Another process takes the lane.
fn taken_over(bench: &impl Bench, lane: &LaneKey) {
    let LaneKey { kind, key } = lane;
    let sql = "update lane set owner = 'another', fence = fence + 1 where";
    bench.meddle(&format!("{sql} kind = '{}' and key = '{key}'", kind.word()));
}

/// The suite as tests, over a bench.
macro_rules! conformance {
    ($bench:ty) => {
        $crate::journal::conformance::conformance! { @tests $bench:
            begins {
                a_begun_action_is_on_disk_with_its_charge,
                whoever_begins_again_when_his_charge_is_over_needs_room_again,
                nothing_begins_with_old_facts_or_at_the_end_of_a_lease,
                a_late_worker_begins_nothing_once_another_has_the_lane,
                a_simulated_action_never_begins_nor_one_in_the_wrong_lane_or_without_its_event,
                a_limit_lets_exactly_its_number_through_however_many_begin_at_once,
                a_window_slides_and_says_when_it_has_room,
                a_revert_is_not_held_up_by_limits,
                when_a_word_has_been_left_nothing_begins_before_it_is_heard,
                when_a_pause_has_returned_no_begin_follows_whoever_pulled_it,
                the_kill_switch_leaves_its_story,
                letting_go_of_the_kill_switch_wakes_what_is_parked_and_nothing_else,
                a_note_begins_with_its_incident_and_text,
                where_accounts_are_counted_each_counts_once_from_when_it_was_last_acted_on,
            }
            lanes {
                of_every_kind_the_earliest_due_come_first_as_far_as_there_is_room,
                a_claim_says_when_the_next_lane_is_due_that_there_was_room_for,
                an_existing_lane_stays_as_it_is,
                a_nudge_during_work_keeps_the_lease_and_makes_the_lane_due_on_release,
                a_lane_released_for_good_is_never_due_until_it_is_woken,
                a_wake_makes_a_resting_lane_due_earlier_but_never_later,
                a_lane_in_our_own_hands_is_not_taken_again_even_when_its_lease_is_over,
                a_lease_is_extended_as_long_as_nobody_has_taken_the_lane,
                a_signal_counts_once,
                a_new_daemon_takes_over_open_leases_at_once_and_the_old_one_is_fenced,
                a_visitors_signal_wakes_the_daemon,
            }
            quarantine {
                five_failed_passes_in_a_row_put_a_lane_into_quarantine_and_its_neighbours_go_on,
                a_slow_pass_is_no_strike_and_one_that_ends_well_forgives_all,
                a_pass_that_writes_something_and_then_fails_is_a_strike_all_the_same,
                a_person_a_message_or_a_source_that_is_configured_again_lets_a_lane_out,
                a_late_worker_strikes_no_lane_that_another_has_taken,
                lanes_that_were_in_hand_in_several_crashes_are_taken_one_at_a_time_and_hold_up_no_other,
            }
            removal {
                what_was_removed_is_gone_from_every_list_and_its_chain_holds,
                what_is_open_holds_an_effect_or_has_moved_on_keeps_all_of_it,
                a_lane_goes_with_the_last_that_was_said_in_it,
                a_late_worker_writes_nothing_into_what_was_removed,
                streams_that_changed_before_a_moment_are_found,
            }
            seals {
                what_was_written_since_the_last_seal_is_sealed_once,
                a_journal_as_written_holds_and_meets_the_roots_of_its_past,
                whatever_is_changed_by_hand_is_found_and_named,
                a_stream_that_is_gone_as_a_whole_is_shown_by_the_seal_alone,
                a_payload_that_somebody_took_out_without_a_word_is_found,
                a_chain_holds_over_many_commits_and_a_changed_payload_is_found,
            }
            steps {
                a_late_workers_commit_is_refused_once_another_has_the_lane,
                a_batch_on_a_stream_that_moved_on_leaves_nothing_behind,
                streams_of_one_moment_come_in_the_order_in_which_they_were_asked_for,
                a_step_writes_everything_it_says,
                a_name_belongs_to_one_alert,
                a_page_of_a_thousand_alerts_is_one_commit,
                streams_are_found_newest_first_by_kind_lane_and_openness,
                how_streams_stand_is_counted_and_found_by_their_labels,
                streams_are_found_by_the_beginning_of_their_id_and_by_what_stands_in_them,
                streams_are_counted_by_what_happened_to_them_since_a_moment,
                what_has_ended_is_counted_without_what_is_open_or_older,
                work_whose_caller_went_away_is_done_all_the_same,
            }
        }
    };
    (@tests $bench:ty: $($room:ident { $($claim:ident,)* })*) => {
        mod conformance {$(
            mod $room {
                $(
                    #[tokio::test(flavor = "multi_thread")]
                    async fn $claim() {
                        if <$bench as $crate::journal::conformance::Bench>::is_there() {
                            $crate::journal::conformance::$room::$claim::<$bench>().await;
                        }
                    }
                )*
            }
        )*}
    };
}
pub(crate) use conformance;
