"""The two lists of attacks that Miyabi was mended after: for each number the tests that hold it, or why none does.

A test is `FILE::NAME`; files are named from the folders below. A new surface adds its attacks here and its tests beside
its code, in the same commit.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Folders by the first letter of a test's file.
FOLDERS = {
    "A": "services/agents/tests", "C": "libs/miyabi-core/tests", "D": "services/dashboard/tests",
    "G": "services/github-gateway/tests", "L": "cli/tests", "R": "tests/redteam", "F": "tests/fuzz", "E": "tests/e2e",
    "S": "libs/miyabi-sim/tests",
}  # fmt: skip
_ESCAPES = "R/test_sandbox_escapes.py::test_a_hostile_program_gets_nothing"
_CONTAINER = "R/test_sandbox_escapes.py::test_a_hostile_program_gets_nothing_in_a_container"
_NAMES = "R/test_hostile_files.py::test_a_deceiving_name_is_refused_wherever_it_comes_in"
_TREE = "R/test_running_processes.py::test_nothing_of_a_repository_runs_outside"
_WALK = "R/test_what_starts_processes.py::test_only_git_the_worker_and_the_launcher_start_processes"
_FORGED = "R/test_forged_verdicts.py::test_a_change_that_hides_a_break_does_not_pass"
_CONFIG = "A/verification/test_repository_file.py::test_what_is_wrong_is_named"
_GLOBS = "A/verification/test_repository_file.py::test_globs"
_CWD = "A/sandbox/test_paths.py::test_folder_to_run_in_is_among_the_others"
_BUILD = "A/environments/test_hostile.py::test_no_secret_is_seen"
_BUILD_WRITES = "A/environments/test_hostile.py::test_nothing_is_written_outside"
_BUILD_NETWORK = "A/environments/test_hostile.py::test_nothing_but_the_proxy_is_reached"
_OPTIONS = "A/toolchains/python/test_recipe.py::test_refused_options"
_ADDRESSES = "A/toolchains/python/test_recipe.py::test_addresses_that_the_project_needs"
_PRINTED = "A/toolchains/python/runners/test_hostile_runs.py::test_printed_verdicts_say_nothing"
_ENDED = "A/toolchains/python/runners/test_hostile_runs.py::test_a_run_that_is_ended_from_inside"
_SHADOWS = "A/toolchains/python/runners/test_hostile_runs.py::test_files_that_stand_in_for_the_runner"
_JUDGED = "A/verification/test_judge.py::test_what_is_no_pass_says_its_cause"
_TAKEN = "A/verification/test_judge.py::test_test_that_is_taken_away_and_fails_in_its_old_form_is_broken"
_HARNESS = "A/verification/test_judge.py::test_harness_of_the_change_is_judged_by_base_s_own"
_UNITTEST = "A/toolchains/python/runners/test_unittest_reports.py::test_hostile_tests"
_REVIEW = "A/test_review.py::test_a_review_cannot_be_talked_down"
_FINDINGS = "A/test_review.py::test_suppressions_and_configuration_of_the_change_are_findings"
_NO_VERDICT = "A/test_review.py::test_crash_makes_the_review_incomplete"
_BODY = "A/test_pull_request_text.py::test_whatever_strangers_wrote_the_body_is_ours"
_SHORT = "F/test_short_form.py::test_parser_ends_in_its_one_error"
_GROWTH = "F/test_short_form.py::test_time_grows_with_the_input_only"
_OUTSIDE = "A/sandbox/test_attempts.py::test_metadata_outside_cannot_be_changed"
_CALLS = "A/sandbox/test_attempts.py::test_call_is_refused"
_MODEL_PATHS = "A/codegen/editing/test_tools.py::test_names_that_lead_outside_or_deceive_are_refused_by_every_tool"
_PAGES = "G/access/test_strangers_at_the_door.py::test_no_page_reaches_git_or_webhooks"
_GIT_TYPES = "G/access/test_strangers_at_the_door.py::test_git_is_asked_for_its_content_type"
_REFS = "G/git/test_push.py::test_ref_is_refused"
_JSON = "D/test_strangers.py::test_what_is_no_strict_json_is_400"
_OWN_PAGE = "D/test_strangers.py::test_only_our_own_page_is_served"
_POSITION = "D/test_strangers.py::test_position_that_is_none_is_400"
_ROOMS = "A/sandbox/test_attempts.py::test_private_memory_is_nobody_elses"
_TRAPS = "R/test_hostile_files.py::test_a_base_full_of_traps_is_checked_out"
_GRANTED = "G/writing/test_granted_writes.py::test_a_token_alone_writes_nothing"

Held = Mapping[int, tuple[str, ...] | str]

#: `attacks-2026-11-29`, by its numbers.
FIRST: Held = {
    1: (_CONFIG, _CWD, _ESCAPES, _CONTAINER),
    2: (_CONFIG, _CWD),
    3: (_NAMES, "R/test_hostile_files.py::test_a_review_of_a_deceiving_name_ends_in_words", _TREE, _WALK),
    4: (_NAMES, _TREE),
    5: (_NAMES,),
    6: (_CONFIG, _BUILD, _BUILD_NETWORK, _ADDRESSES),
    7: (_CONFIG, _BUILD),
    8: (_BUILD, _TREE, "A/environments/test_machine.py::test_programs_are_asked_in_the_sandbox_once"),
    9: (_CONFIG, _OPTIONS, _BUILD_WRITES),
    10: (_CONFIG, _OPTIONS, _BUILD_NETWORK, "A/environments/test_proxy.py::test_name_that_leads_near_is_refused"),
    11: (_CONFIG, _OPTIONS),
    12: (_CONFIG,),
    13: (_CONFIG,),
    14: (_FORGED, _JUDGED, _PRINTED),
    15: (_PRINTED, _FORGED),
    16: (_JUDGED, "A/sandbox/test_limits.py::test_output_is_cut"),
    17: (_JUDGED, "A/verification/test_judge.py::test_absent_everywhere_is_nothing"),
    18: (_JUDGED, _FORGED),
    19: (_JUDGED, "A/toolchains/python/runners/test_pytest_reports.py::test_what_the_sandbox_refuses"),
    20: (_UNITTEST,),
    21: (_PRINTED, _FORGED),
    22: (_GROWTH, "A/toolchains/python/runners/test_reading.py::test_a_large_report"),
    23: (_GROWTH, "A/toolchains/python/runners/test_reading.py::test_a_large_report"),
    24: (_GROWTH,),
    25: (
        "A/sandbox/test_removal.py::test_what_a_command_nested_is_removed",
        "A/environments/test_store.py::test_cleaning_never_stops_an_agent",
    ),
    26: (_NAMES,),
    27: (_REVIEW,),
    28: (_REVIEW,),
    29: (_REVIEW, "A/test_review.py::test_lines_that_are_not_base_s_are_changed"),
    30: (_REVIEW,),
    31: (_REVIEW, "A/test_review.py::test_changed_lines"),
    32: (_REVIEW, _FINDINGS, _SHORT),
    33: (_FINDINGS, "A/test_review.py::test_bases_configuration_decides"),
    34: (_REVIEW,),
    35: (_REVIEW,),
    36: (_NO_VERDICT,),
    37: (_REVIEW, "A/test_review.py::test_code_of_the_repository_is_not_run", _TREE),
    38: (_BODY, "C/text/test_github_markdown.py::test_a_name_stays_in_its_code_span"),
    39: ("A/test_pull_request_text.py::test_titles", "C/text/test_commits.py::test_a_title_is_one_harmless_line"),
    40: (_CONFIG, _SHORT),
    41: (_CONFIG,),
    42: (_TRAPS,),
    43: (_ESCAPES, _CONTAINER, _CALLS, "A/sandbox/test_network.py::test_families_that_nobody_has"),
    44: (_OUTSIDE, "A/sandbox/test_attempts.py::test_what_is_readable_cannot_be_changed", _ESCAPES),
    45: (_CALLS, _ESCAPES, _CONTAINER),
    46: (_CALLS, _ESCAPES),
    47: (_CALLS, _ESCAPES, "A/sandbox/test_filter.py::test_arguments_that_are_refused"),
    48: (_ROOMS, "A/sandbox/test_container.py::test_shared_memory_is_its_own_or_none"),
    49: ("A/sandbox/test_limits.py::test_many_files_are_a_limit", "A/sandbox/test_limits.py::test_many_entries_are_a_limit"),
    50: ("A/sandbox/test_limits.py::test_memory_of_all_processes_together",),
    51: ("A/sandbox/test_limits.py::test_fork_bomb_does_not_outlive_its_time",),
    52: ("A/sandbox/test_ending.py::test_daemon_does_not_outlive_it", "A/sandbox/test_limits.py::test_output_is_cut"),
    53: ("A/sandbox/test_ending.py::test_words_of_the_launcher_are_words",),
    54: (_MODEL_PATHS, _NAMES, "A/codegen/test_implementer.py::test_a_path_outside_the_checkout_is_the_models_mistake"),
    55: (
        "A/codegen/editing/test_tools.py::test_names_that_deceive_are_refused", "A/codegen/editing/test_tools.py::test_a_file_of_many_megabytes_is_refused",
        "A/codegen/editing/test_tools.py::test_what_runs_with_the_repositorys_rights_is_not_the_models_to_write",
    ),
    56: (_REFS, "G/git/test_push.py::test_refusal_answers_for_every_ref", "G/git/test_git_proxy.py::test_one_bad_ref_refuses_the_whole_push"),
    57: (_PAGES, _GIT_TYPES, "G/writing/test_granted_writes.py::test_only_this_stacks_agents_use_git"),
    58: (_PAGES, "C/edge/test_door.py::test_door"),
    59: ("G/git/test_git_proxy.py::test_dumb_protocol_and_other_paths_are_not_served",),
    60: ("G/git/test_push.py::test_long_list_in_single_bytes_costs_no_more_than_at_once",),
    61: ("G/hooks/test_webhook_bodies.py::test_signed_extremes_are_400", _SHORT),
    62: ("G/hooks/test_webhook_bodies.py::test_largest_payload_holds_the_loop_up_for_moments",),
    63: ("D/test_strangers.py::test_simple_post_of_a_page_is_refused", "D/test_http.py::test_other_origins_are_refused"),
    64: (_OWN_PAGE,),
    65: (_JSON, "D/test_strangers.py::test_bad_gzip_is_400"),
    66: (_POSITION,),
    67: (_JSON, "C/edge/test_strict_json.py::test_what_is_no_json_ends_in_one_error"),
    68: ("D/test_strangers.py::test_socket_with_no_position_is_closed",),
    69: ("D/test_http.py::test_gzip_is_taken_and_a_bomb_is_not",),
}  # fmt: skip

#: `attacks-2-2026-11-29`, by its numbers.
SECOND: Held = {
    1: FIRST[3],
    2: FIRST[6],
    3: FIRST[7],
    4: FIRST[9],
    5: (_CONFIG, _OPTIONS, "A/dispatch/test_runner.py::test_a_foreseen_error_keeps_its_reason_and_pause"),
    6: (_OPTIONS,),
    7: FIRST[10],
    8: FIRST[5],
    9: (_NAMES,),
    10: ("A/sandbox/test_network.py::test_unix_sockets_by_path_are_out_of_reach", _ESCAPES, _CONTAINER),
    11: (_CALLS, _ESCAPES, _CONTAINER),
    12: (
        "A/sandbox/test_ending.py::test_the_keeper_cannot_be_harmed_and_nothing_stays",
        "A/sandbox/test_ending.py::test_daemon_does_not_outlive_a_killed_keeper",
    ),
    13: ("A/sandbox/test_ending.py::test_daemon_does_not_outlive_it", _TREE),
    14: (_ROOMS,),
    15: FIRST[49],
    16: ("A/sandbox/test_network.py::test_families_that_nobody_has", "A/sandbox/test_network.py::test_no_way_out", _ESCAPES, _CONTAINER),
    17: (_ESCAPES, _CONTAINER),
    18: ("A/sandbox/test_attempts.py::test_attempt_fails", _ESCAPES, _CONTAINER),
    19: (_CALLS, _ESCAPES),
    20: (
        "A/sandbox/test_limits.py::test_too_many_processes_are_killed_together", "A/sandbox/test_limits.py::test_memory_of_one_process",
        "A/sandbox/test_limits.py::test_output_is_cut",
    ),
    21: ("A/sandbox/test_removal.py::test_names_of_all_kinds", "A/sandbox/test_removal.py::test_depth_is_no_matter"),
    22: ("A/sandbox/test_paths.py::test_what_is_nobodys_to_have",),
    23: ("A/codegen/editing/test_tools.py::test_what_runs_with_the_repositorys_rights_is_not_the_models_to_write",),
    24: (_TRAPS, _TREE),
    25: (_TRAPS,),
    26: (_GRANTED, "G/writing/test_granted_writes.py::test_a_grant_for_something_else_covers_nothing",
         "E/test_grants.py::test_other_programs_of_this_machine_write_and_clone_nothing"),
    27: (_TAKEN, _FORGED),
    28: (_FORGED, "A/verification/test_judge.py::test_edited_test_that_proves_nothing_does_not_excuse_a_break"),
    29: (_HARNESS, _FORGED),
    30: (_HARNESS,),
    31: (_PRINTED, _FORGED),
    32: (_UNITTEST, _ENDED, _FORGED),
    33: (_SHADOWS, _FORGED),
    34: (_JUDGED,),
    35: (_JUDGED,),
    36: (_JUDGED, "A/toolchains/python/runners/test_pytest_reports.py::test_what_the_sandbox_refuses"),
    37: ("A/toolchains/python/runners/test_hostile_runs.py::test_exit_while_importing",),
    38: ("A/toolchains/python/runners/test_pytest_reports.py::test_deselected_tests_are_absent", _JUDGED),
    39: (_FORGED, "A/verification/test_judge.py::test_edited_test_that_proves_nothing_does_not_excuse_a_break"),
    40: FIRST[32],
    41: FIRST[32],
    42: FIRST[33],
    43: (_REVIEW,),
    44: (_REVIEW,),
    45: (_REVIEW,),
    46: (_REVIEW,),
    47: (_REVIEW, "A/test_review.py::test_changed_lines"),
    48: (_NO_VERDICT, "A/test_review.py::test_changed_lines"),
    49: (_TREE, "A/test_review.py::test_bases_configuration_decides"),
    50: (_NO_VERDICT, _GROWTH),
    51: ("A/codegen/test_planner_and_documenter.py::test_what_was_verified_is_what_is_pushed",),
    52: ("A/codegen/test_planner_and_documenter.py::test_prose_is_what_no_program_reads",),
    53: (_BODY, "C/text/test_commits.py::test_a_message_holds_no_trailer_and_closes_nothing"),
    54: (_BODY, _NAMES),
    55: (_BODY, "C/text/test_github_markdown.py::test_a_name_stays_in_its_code_span"),
    56: ("A/test_pull_request_text.py::test_three_thousand_files_leave_the_evidence_in_the_body",),
    57: ("A/test_pull_request_text.py::test_titles",),
    58: (_CONFIG, _GLOBS, _GROWTH),
    59: (_GLOBS, _GROWTH),
    60: (_GROWTH, _PRINTED),
    61: (_GROWTH, _PRINTED),
    62: (_GROWTH, "A/toolchains/python/runners/test_reading.py::test_a_large_report"),
    63: (_CONFIG,),
    64: (_CONFIG,),
    65: (_CONFIG,),
    66: ("R/test_hostile_files.py::test_a_branch_that_became_a_folder_stops_nobody",),
    67: (_TRAPS,),
    68: ("A/model/test_session.py::test_half_of_a_surrogate_pair_ends_at_the_sessions_edge",),
    69: ("A/toolchains/python/runners/test_names_and_own_tests.py::test_what_cannot_be_parsed", _SHORT),
    70: ("A/model/test_session.py::test_a_model_that_only_talks_is_an_error", _MODEL_PATHS),
    71: ("A/codegen/editing/test_tools.py::test_a_file_of_many_megabytes_is_refused",
         "A/dispatch/test_runner.py::test_an_outcome_that_is_too_large_becomes_a_failure"),
    72: ("G/hooks/test_webhook_bodies.py::test_payload_of_other_types_is_400", "G/reading/test_cache_news.py::test_listener_outlives_what_it_cannot_read"),
    73: ("G/hooks/test_webhook_bodies.py::test_signed_extremes_are_400",),
    74: ("G/hooks/test_webhook_bodies.py::test_slow_strangers_delay_nobody",),
    75: ("G/hooks/test_webhook_bodies.py::test_wrong_signature_is_refused", "G/hooks/test_webhook_bodies.py::test_large_payload_is_413"),
    76: ("G/hooks/test_webhooks.py::test_delivery_is_acted_on_once_on_all_replicas",),
    77: ("G/access/test_strangers_at_the_door.py::test_bomb_costs_little", "G/access/test_strangers_at_the_door.py::test_bad_compression_is_400"),
    78: (_PAGES, _GIT_TYPES),
    79: (_OWN_PAGE,),
    80: ("D/test_strangers.py::test_names_of_ours_are_refused", "D/test_strangers.py::test_stored_event_is_never_ours"),
    81: (_JSON,),
    82: (_JSON, _POSITION, "D/test_strangers.py::test_socket_with_no_position_is_closed"),
    83: ("D/test_strangers.py::test_simple_post_of_a_page_is_refused", _OWN_PAGE),
    84: ("D/test_snapshots.py::test_graph_of_no_name_is_refused", "C/edge/test_door.py::test_door"),
    85: ("D/test_door.py::test_person_logs_in_with_a_form", "D/test_door.py::test_nothing_is_read_without_a_token"),
    86: ("G/git/test_git_proxy.py::test_dumb_protocol_and_other_paths_are_not_served", _PAGES),
    87: (_REFS, "G/git/test_push.py::test_what_cannot_be_read_is_refused", "G/git/test_git_proxy.py::test_one_bad_ref_refuses_the_whole_push"),
    88: ("G/git/test_git_proxy.py::test_dumb_protocol_and_other_paths_are_not_served",),
    89: (_GRANTED, "D/test_door.py::test_programs_read_and_report_by_role", "G/writing/test_granted_writes.py::test_another_agents_grant_is_of_no_use"),
    90: ("G/reading/test_search_text.py::test_words_that_ask_elsewhere_are_refused", "G/reading/test_search_answers.py::test_what_github_finds_elsewhere_is_dropped"),
    91: ("L/words/test_terminal.py::test_the_command_shows_names_as_they_are",),
    92: ("L/words/test_terminal.py::test_every_view_shows_every_name",),
    93: ("D/test_http.py::test_page_has_a_strict_policy",),
}  # fmt: skip
