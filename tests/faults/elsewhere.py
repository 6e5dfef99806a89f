"""The tests beside those of this folder that prove rows too: each stands with what it tests, and counts here."""

ELSEWHERE: dict[str, dict[str, tuple[int, ...]]] = {
    "cli/test_events_command.py": {
        "test_what_a_host_sends_steers_neither_a_terminal_nor_a_spreadsheet": (34,),
        "test_what_a_host_sends_steers_nothing_on_any_way_out": (34,),
    },
    "cli/test_journal_command.py": {
        "test_export_of_a_damaged_journal_writes_the_rest_and_says_how_much_is_lost": (40,),
    },
    "cli/test_wrong_input.py": {
        "test_a_definition_that_leaves_the_base_uri_is_refused": (45,),
    },
    "journal/test_damage.py": {
        "test_flipped_bytes_are_read_over_or_told_as_damage_and_what_comes_then_is_kept": (40,),
        "test_a_truncated_journal_is_set_aside": (40,),
        "test_a_journal_of_another_form_is_set_aside": (40,),
    },
    "model/test_definitions.py": {
        "test_a_path_that_could_lead_anywhere_but_below_the_base_uri_is_refused": (45,),
        "test_a_wrong_field_of_a_command_is_refused_with_its_place": (45,),
    },
    "protocol/test_host_time.py": {
        "test_a_local_time_is_the_reading_nearer_to_its_reception": (41,),
    },
    "protocol/test_mutations.py": {
        "test_a_frame_with_any_value_in_any_field_is_an_event": (32,),
        "test_a_frame_with_any_bytes_in_any_place_is_an_event": (32,),
    },
    "service/intake/test_forwarder.py": {
        "test_one_frame_that_mongodb_refuses_is_kept_as_bytes_beside_its_neighbours": (12,),
    },
    "service/intake/test_gaps.py": {
        "test_a_gap_is_as_long_as_the_loss_by_the_clock_before_and_by_the_clock_after": (41, 48),
    },
    "service/intake/test_listeners.py": {
        "test_one_that_raises_and_one_that_blocks_hold_up_nobody": (42,),
        "test_what_does_not_fit_is_dropped_for_the_slow_one_alone": (42,),
    },
    "service/session/test_lease_take_over.py": {
        "test_the_gap_after_a_take_over_covers_what_was_lost_by_the_clocks_of_both": (48,),
    },
    "service/session/test_supervisor.py": {
        "test_flapping_makes_the_waits_grow_and_a_stable_while_resets_them": (22,),
        "test_a_held_account_waits_out_the_host_s_timer": (16,),
        "test_a_wrong_password_is_never_hammered": (29,),
    },
    "store/configuration/test_definitions.py": {
        "test_a_command_edited_towards_another_host_is_refused_with_document_and_field": (45,),
    },
    "service/setup/test_start.py": {
        "test_a_step_of_the_schema_that_was_cut_off_is_completed_before_anything_is_loaded": (14,),
        "test_a_wrong_text_is_one_warning_and_the_start_goes_on": (44,),
    },
    "service/setup/test_schema.py": {
        "test_what_is_dropped_while_it_runs_is_made_again_and_told": (51,),
    },
    "store/events/test_following.py": {
        "test_following_goes_on_over_a_collection_that_goes_away_and_misses_nothing": (51,),
    },
    "store/events/test_event_log.py": {
        "test_a_lost_reply_after_the_write_leaves_one_copy": (6,),
        "test_a_write_concern_error_is_no_success_and_its_repetition_leaves_one_copy": (7,),
        "test_a_server_that_fails_blames_no_document": (8,),
        "test_a_document_that_cannot_be_stored_is_named_and_the_rest_is_stored": (12,),
    },
    "store/events/test_event_query.py": {
        "test_an_operator_given_as_a_value_is_a_value": (33,),
    },
    "store/server/test_failures.py": {
        "test_a_real_server_that_fails_is_told_apart": (8,),
    },
    "store/coordination/test_instances.py": {
        "test_what_looks_like_an_expression_is_kept_as_a_value": (33,),
    },
    "protocol/test_frame_time.py": {
        "test_a_long_run_of_whatever_bytes_takes_no_more_than_its_length": (47,),
    },
    "store/schema/test_migrations.py": {
        "test_a_runner_that_was_killed_inside_a_step_is_taken_over": (14,),
        "test_a_newer_schema_is_refused_with_its_number": (14,),
    },
    "store/configuration/test_seeding.py": {
        "test_operators_in_an_edited_document_are_never_used_as_such": (33,),
    },
    "store/configuration/test_texts.py": {
        "test_a_wrong_text_is_reported_and_the_shipped_one_serves": (44,),
        "test_a_document_that_contradicts_its_id_is_reported_and_not_used": (44,),
    },
    "store/schema/test_upgrades.py": {
        "test_a_migration_that_is_killed_at_any_of_its_writes_is_completed_by_the_next": (14,),
        "test_no_command_touches_a_database_of_a_newer_version": (14,),
    },
    "test_daemon.py": {
        "test_a_second_daemon_on_the_same_state_directory_cannot_start": (13,),
        "test_no_secret_is_in_anything_that_was_written": (35,),
    },
    "test_live_configuration.py": {
        "test_without_change_streams_it_looks_every_second": (10,),
        "test_an_invalid_change_is_refused_as_a_whole_until_it_is_mended": (43,),
        "test_a_deleted_configuration_and_emptied_words_leave_the_last_good_ones": (43,),
    },
    "test_live_configuration_outside.py": {
        "test_a_password_file_that_never_answers_is_told_and_what_else_changes_is_followed": (50,),
    },
    "test_log_sinks.py": {
        "test_a_sink_that_hangs_costs_whoever_logs_nothing_but_lines_and_these_are_told": (46,),
    },
    "test_logs.py": {
        "test_what_a_host_sends_cannot_steer_a_terminal_or_forge_a_line": (34,),
    },
    "test_metrics.py": {
        "test_a_client_that_says_nothing_holds_up_no_other": (50,),
        "test_many_clients_that_say_nothing_are_sent_away_for_who_asks": (50,),
    },
    "test_mutations.py": {
        "test_every_damaged_frame_is_one_document": (30,),
    },
    "test_recovery.py": {
        "test_frames_that_come_while_mongodb_is_stopped_are_stored_afterwards": (2,),
    },
    "test_smdr.py": {
        "test_call_events_that_are_missing_have_the_records_read": (24,),
        "test_what_was_missed_is_read_and_a_record_that_came_both_ways_is_one_document": (24,),
    },
    "test_standby.py": {
        "test_without_mongodb_it_starts_with_what_it_last_found_there_and_journals": (4,),
        "test_a_second_daemon_stands_by_and_takes_over_from_a_dead_one_within_15_s": (13,),
        "test_a_frozen_owner_that_wakes_lets_go_of_an_account_that_was_taken_over": (
            13,
            17,
        ),
    },
    "test_watch_over_the_host.py": {
        "test_a_host_that_told_its_time_and_then_falls_silent_is_asked_and_then_reconnected": (20,),
        "test_a_silent_host_whose_session_is_gone_is_reconnected_as_soon_as_it_is_asked": (20,),
        "test_a_host_that_answers_no_pings_is_kept_by_checkconnection": (21,),
        "test_a_serial_number_that_jumps_makes_a_gap_and_one_that_falls_back_none": (24,),
        "test_a_frame_that_comes_twice_is_stored_twice_and_marked": (25,),
    },
    "transport/test_rest.py": {
        "test_a_redirect_is_a_reply_and_nobody_follows_it": (26,),
        "test_a_host_that_drips_or_is_silent_is_given_up_at_the_deadline": (26, 50),
    },
    "transport/test_rest_certificates.py": {
        "test_a_certificate_for_another_name_or_time_is_refused": (28,),
        "test_another_certificate_than_the_pinned_one_is_refused_before_anything_is_sent": (28,),
    },
    "transport/test_webhook.py": {
        "test_a_receiver_that_never_ends_is_left_when_the_time_is_over": (60,),
        "test_a_receiver_that_resets_or_speaks_something_else_is_told": (60,),
        "test_an_answer_of_ten_megabytes_is_cut_and_a_redirect_is_not_followed": (60,),
        "test_a_certificate_has_to_be_trusted_and_of_the_name_that_was_asked_for": (60,),
        "test_nothing_inside_is_reached_unless_it_is_allowed": (60,),
        "test_a_name_that_leads_inside_the_second_time_is_not_asked_for_twice": (60,),
    },
    "service/webhooks/test_sending.py": {
        "test_what_fails_is_tried_again_with_the_same_id_and_content_and_later_messages_wait": (60,),
        "test_a_dead_receiver_holds_up_nobody_and_is_tried_seldom": (60,),
        "test_two_senders_tell_nothing_twice_and_the_second_takes_over": (61,),
    },
    "transport/test_stream_refusals.py": {
        "test_another_certificate_than_the_pinned_one_never_sees_the_token": (28,),
    },
}
"""File below `tests` → name of the test → the rows that it proves."""
