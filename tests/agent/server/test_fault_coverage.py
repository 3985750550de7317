"""Which tests stand for which of the faults that a server has to survive; each of them has to be there."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[2]
SERVER = "agent/server/"
WIRE = "agent/wire/"
NUMBERS = [*range(1, 68), *range(79, 86)]
"""Handshake 1-15, frames 16-29, events 30-38, audio 39-59, network 60-67, host 79-85; the others are of engines."""

COVERED: dict[int, tuple[str, ...]] = {
    # Handshake
    1: (f"{SERVER}test_handshake.py::test_pages_of_others_may_not_connect",),
    2: (
        f"{SERVER}test_handshake.py::test_pages_of_others_may_not_connect",
        f"{SERVER}test_handshake.py::test_a_request_that_may_not_come_in_has_its_status",
    ),
    3: (f"{SERVER}test_handshake.py::test_native_clients_and_known_pages_may_connect",),
    4: (f"{SERVER}test_handshake.py::test_on_loopback_other_names_are_refused",),
    5: (
        f"{SERVER}test_handshake.py::test_without_a_good_token_nobody_comes_in",
        f"{SERVER}test_handshake.py::test_a_first_message_without_a_good_token_is_closed",
        f"{SERVER}test_connection.py::test_a_token_that_ends_ends_the_connection",
    ),
    6: (
        f"{SERVER}test_handshake.py::test_a_token_in_the_address_is_taken_only_where_that_was_agreed_and_never_kept",
        f"{SERVER}test_server_logs.py::test_no_log_at_any_level_shows_what_was_said_or_a_secret",
    ),
    7: (f"{SERVER}test_handshake.py::test_a_request_that_may_not_come_in_has_its_status",),
    8: (f"{SERVER}test_handshake.py::test_a_request_that_may_not_come_in_has_its_status",),
    9: (f"{SERVER}test_handshake.py::test_what_is_no_upgrade_has_its_status",),
    10: (f"{SERVER}test_handshake.py::test_a_request_that_never_comes_whole_is_closed",),
    11: (f"{SERVER}test_handshake.py::test_tls_on_the_plain_port_is_closed_quietly",),
    12: (
        f"{SERVER}test_handshake.py::test_what_is_not_served_here_has_its_status",
        f"{SERVER}test_handshake.py::test_what_is_no_upgrade_has_its_status",
    ),
    13: (f"{SERVER}test_handshake.py::test_one_session_too_many_is_refused_at_once_and_health_still_answers",),
    14: (f"{SERVER}test_handshake.py::test_many_at_once_get_a_session_or_a_refusal_and_never_wait",),
    15: (f"{SERVER}test_handshake.py::test_one_session_too_many_is_refused_at_once_and_health_still_answers",),
    # Frames
    **dict.fromkeys((16, 17, 18, *range(20, 26)), (f"{SERVER}test_frames.py::test_a_bad_frame_has_its_close_code",)),
    19: (f"{SERVER}test_frames.py::test_compression_is_never_agreed",),
    26: (f"{SERVER}test_frames.py::test_a_flood_of_pings_is_closed_and_hardly_delays_others",),
    27: (f"{SERVER}test_frames.py::test_one_byte_frames_at_full_speed_are_closed",),
    28: (f"{SERVER}test_frames.py::test_an_empty_binary_message_says_nothing_and_is_counted",),
    29: (
        f"{SERVER}test_frames.py::test_a_message_in_pieces_has_so_long_to_come",
        f"{SERVER}test_frames.py::test_a_bad_frame_has_its_close_code",
    ),
    # Events: each in a session over its socket, and in the protocol alone
    30: (
        f"{SERVER}test_event_faults.py::test_each_wrong_message_has_its_code_and_the_session_goes_on",
        f"{SERVER}test_connection.py::test_ten_messages_of_nonsense_are_answered_and_the_tenth_is_the_last",
        f"{WIRE}test_inbound.py::test_what_is_no_json_object_is_invalid_json",
    ),
    31: (
        f"{SERVER}test_event_faults.py::test_each_wrong_message_has_its_code_and_the_session_goes_on",
        f"{WIRE}test_inbound.py::test_deep_values_cost_no_more_than_flat_ones",
    ),
    32: (
        f"{SERVER}test_event_faults.py::test_each_wrong_message_has_its_code_and_the_session_goes_on",
        f"{WIRE}test_inbound.py::test_unknown_types_are_unknown_events",
    ),
    33: (
        f"{SERVER}test_event_faults.py::test_each_wrong_message_has_its_code_and_the_session_goes_on",
        f"{WIRE}test_realtime_faults.py::test_what_is_wrong_is_named_and_changes_nothing",
        f"{WIRE}test_inbound.py::test_sound_given_twice_is_refused",
        f"{WIRE}test_inbound.py::test_wrong_fields_are_named_by_their_path",
    ),
    # Sessions begin with the connection here: there is no start to be sent late or twice, only an end.
    34: (
        f"{SERVER}test_event_faults.py::test_each_wrong_message_has_its_code_and_the_session_goes_on",
        f"{WIRE}test_translations.py::test_after_close_nothing_is_taken",
        f"{WIRE}test_realtime_faults.py::test_a_session_that_has_begun_stays_of_its_type",
    ),
    35: (
        f"{SERVER}test_event_faults.py::test_strange_text_is_cleaned_kept_and_answered",
        f"{WIRE}test_inbound.py::test_a_clients_own_id_has_to_be_a_name",
        f"{SERVER}test_outbox.py::test_what_json_does_not_know_never_reaches_a_client",
    ),
    36: (
        f"{SERVER}test_event_faults.py::test_each_wrong_message_has_its_code_and_the_session_goes_on",
        f"{WIRE}test_inbound.py::test_binary_messages_are_told_where_sound_goes",
    ),
    37: (
        f"{SERVER}test_event_faults.py::test_what_is_wrong_and_not_yours_is_answered_alike",
        f"{SERVER}test_coming_back.py::test_guessed_tokens_find_nothing_and_are_all_told_the_same",
        f"{SERVER}test_seats.py::test_every_wrong_way_back_is_answered_alike_and_changes_nothing",
    ),
    38: (
        f"{SERVER}test_coming_back.py::test_an_event_that_was_never_told_is_no_way_back_and_the_session_stays",
        f"{SERVER}test_outbox.py::test_however_often_a_connection_is_lost_the_client_sees_every_event_once_and_in_order",
    ),
    # Audio
    39: (
        f"{SERVER}test_heard_faults.py::test_odd_bytes_shift_no_sample",
        f"{WIRE}test_codec.py::test_an_odd_byte_waits_for_its_other_half",
    ),
    40: (
        f"{SERVER}test_audio_faults.py::test_floats_that_are_no_numbers_reach_nobody",
        "streaming/test_sources.py::test_sound_that_is_not_finite_is_refused_by_push",
    ),
    41: (f"{SERVER}test_heard_faults.py::test_sound_at_full_scale_is_heard_and_warned_of",),
    42: (f"{SERVER}test_heard_faults.py::test_an_offset_and_a_low_level_change_no_word",),
    # A rate that is declared wrongly cannot be told from the samples: it shows as sound that comes too fast.
    43: (
        f"{SERVER}test_audio_faults.py::test_a_rate_that_cannot_be_used_is_named",
        f"{SERVER}test_audio_faults.py::test_a_rate_declared_too_low_comes_too_fast_and_is_closed",
        f"{SERVER}test_heard_faults.py::test_sixteen_thousand_a_second_are_taken_as_such",
    ),
    44: (
        f"{SERVER}test_audio_faults.py::test_a_file_in_place_of_samples_is_refused_and_clearing_mends_it",
        f"{SERVER}test_audio_faults.py::test_a_client_that_sends_nothing_but_files_is_closed",
        f"{SERVER}test_audio_faults.py::test_samples_read_in_a_wrong_way_are_told_of_once_and_the_session_goes_on",
    ),
    45: (
        f"{SERVER}test_heard_faults.py::test_what_is_no_speech_is_no_turn_and_asks_no_model",
        f"{SERVER}test_seats.py::test_an_idle_client_is_warned_a_minute_ahead_each_time_and_then_let_go",
    ),
    46: (f"{SERVER}test_heard_faults.py::test_what_is_no_speech_is_no_turn_and_asks_no_model",),
    47: (
        f"{SERVER}test_network_faults.py::test_talk_leaves_nothing_behind_but_what_a_client_may_ask_for_again",
        f"{SERVER}test_network_faults.py::test_after_a_day_times_are_exact_to_the_sample",
    ),
    48: (f"{SERVER}test_audio_faults.py::test_an_utterance_without_end_is_cut_and_told",),
    49: (
        f"{SERVER}test_audio_faults.py::test_a_millisecond_is_no_turn",
        f"{SERVER}test_heard_faults.py::test_what_is_no_speech_is_no_turn_and_asks_no_model",
    ),
    50: (f"{SERVER}test_audio_faults.py::test_ten_times_as_fast_is_warned_of_and_closed",),
    51: (f"{SERVER}test_audio_faults.py::test_the_same_sound_is_heard_the_same_however_it_comes",),
    # Messages carry no frame numbers in this protocol, over TCP none is lost: what is lost found no room.
    52: (f"{SERVER}test_audio_faults.py::test_sound_that_found_no_room_is_told_and_replaced_by_silence",),
    53: (
        f"{SERVER}test_audio_faults.py::test_speech_over_every_answer_cancels_each_and_keeps_each_turn_once",
        f"{SERVER}test_audio_faults.py::test_an_answer_cancelled_every_100_ms_is_cancelled_each_time",
    ),
    54: (
        f"{SERVER}test_audio_faults.py::test_what_one_session_says_reaches_no_other",
        f"{SERVER}test_heard_faults.py::test_two_who_speak_at_once_are_each_heard_alone",
    ),
    55: (f"{SERVER}test_audio_faults.py::test_forty_languages_in_one_session_are_heard_kept_and_answered",),
    56: (f"{SERVER}test_said_faults.py::test_instructions_are_not_read_out_whatever_is_asked",),
    57: (f"{SERVER}test_audio_faults.py::test_code_that_is_spoken_is_kept_verbatim_and_exported_as_data",),
    58: (
        f"{SERVER}test_said_faults.py::test_danger_is_answered_at_once_with_every_model_down",
        "agent/test_crisis_table.py::test_danger_in_other_words_is_found",
    ),
    59: (
        f"{SERVER}test_said_faults.py::test_threats_to_others_get_the_policys_answer_and_no_praise",
        f"{SERVER}test_said_faults.py::test_slurs_are_neither_praised_nor_repeated",
    ),
    # Network and client
    60: (
        f"{SERVER}test_readers.py::test_clients_that_never_read_are_dropped_and_others_notice_nothing",
        f"{SERVER}test_readers.py::test_the_server_stops_while_clients_do_not_read",
    ),
    61: (f"{SERVER}test_readers.py::test_a_client_that_reads_a_byte_now_and_then_is_dropped_too",),
    62: (f"{SERVER}test_readers.py::test_a_cable_that_is_pulled_is_noticed_by_pings",),
    63: (
        f"{SERVER}test_readers.py::test_a_reset_in_the_middle_of_a_reply_ends_the_session",
        f"{SERVER}test_network_faults.py::test_a_reset_in_the_middle_of_an_answer_stops_the_model_where_nobody_may_come_back",
    ),
    64: (
        f"{SERVER}test_network_faults.py::test_a_client_that_comes_back_goes_on_where_it_was_and_no_turn_is_kept_twice",
        f"{SERVER}test_network_faults.py::test_a_reply_goes_on_while_its_client_is_away_and_is_told_when_it_is_back",
        "clients/test_coming_back_for_real.py::test_a_connection_lost_in_an_answer_comes_back_to_it",
    ),
    65: (
        f"{SERVER}test_network_faults.py::test_a_session_on_a_second_socket_leaves_the_first",
        f"{SERVER}test_coming_back.py::test_a_second_socket_takes_the_session_and_the_first_is_told_so",
    ),
    66: (f"{SERVER}test_network_faults.py::test_whoever_slept_for_an_hour_begins_anew",),
    67: (f"{SERVER}test_network_faults.py::test_a_line_that_stutters_changes_no_word",),
    # Host
    79: (
        f"{SERVER}test_draining.py::test_while_it_drains_nobody_new_comes_in_and_a_second_signal_ends_it_at_once",
        f"{SERVER}test_draining.py::test_turns_of_real_sessions_that_were_acknowledged_are_in_the_log",
        f"{SERVER}test_draining.py::test_a_hang_up_changes_nothing",
    ),
    80: (
        f"{SERVER}test_server_kill.py::test_two_dozen_killed_servers_lose_no_acknowledged_turn_and_keep_none_by_half",
        "agent/test_turnlog_kill.py::test_two_hundred_kills_lose_no_acknowledged_turn_and_double_none",
    ),
    81: (
        f"{SERVER}test_storage_faults.py::test_on_a_full_disk_the_conversation_goes_on_and_is_kept_once_there_is_room",
        f"{SERVER}test_storage_faults.py::test_while_another_program_locks_the_file_turns_are_held_and_told",
        f"{SERVER}test_storage_faults.py::test_a_log_that_cannot_be_used_is_one_line_and_no_server",
        "agent/test_turnlog_faults.py::test_a_file_that_may_not_be_written_is_refused_and_still_read",
    ),
    82: (
        f"{SERVER}test_app.py::test_a_wall_clock_that_jumps_moves_nothing_but_the_end_of_tokens",
        "agent/test_turnlog.py::test_a_clock_that_goes_backwards_does_not_change_the_order",
    ),
    83: (
        f"{SERVER}test_draining.py::test_a_process_short_of_files_sheds_new_sessions_and_keeps_the_old",
        f"{SERVER}test_seats.py::test_a_loop_that_is_late_most_of_the_time_sheds_new_sessions_until_it_has_caught_up",
    ),
    84: (
        "agent/test_cli_serve.py::test_a_port_that_is_taken_is_one_line_and_code_2",
        "agent/test_cli_serve.py::test_why_a_port_cannot_be_had_comes_with_advice",
        f"{SERVER}test_app.py::test_it_serves_on_ipv6_alone",
    ),
    # The microphone is the client's.
    85: (
        "clients/test_attune_client.py::test_a_microphone_that_is_unplugged_is_one_line",
        "streaming/test_microphone.py::test_without_a_device_one_line_says_what_to_do",
        "streaming/test_microphone.py::test_a_device_without_16_khz_is_resampled",
        "streaming/test_microphone.py::test_sound_that_portaudio_lost_is_told",
        "streaming/test_microphone.py::test_a_device_that_opens_but_does_not_start_is_let_go",
    ),
}


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((TESTS / path).read_text("utf-8"))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def test_every_fault_has_a_test() -> None:
    assert sorted(COVERED) == NUMBERS
    assert all(COVERED.values())


@pytest.mark.parametrize("number", NUMBERS)
def test_the_tests_of_a_fault_are_there(number: int) -> None:
    for name in COVERED[number]:
        path, _, function = name.partition("::")
        assert function in names_in(path), name
