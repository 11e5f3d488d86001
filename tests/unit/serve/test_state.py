"""What is indexed, what was left out with its remedy, and how far a running index is."""

from serving import application

from vlsa.data.reasons import REASONS
from vlsa.retrieve.index.progress_file import ProgressFile
from vlsa.serve.run import say_missing_footage


def test_the_state_names_what_was_left_out_with_its_remedy_and_no_folder_of_this_disk(mixed_client, mixed_archive):
    answer = mixed_client.get("/api/state")
    (state,) = answer.json()["indexes"]
    assert (state["num_files"], state["num_texts"], state["num_left_out"]) == (3, 1, 1)
    (row,) = state["left_out"]
    assert (row["path"], row["reason"]) == ("broken.mp4", "unreadable")
    assert (row["meaning"], row["remedy"]) == (REASONS["unreadable"].meaning, REASONS["unreadable"].remedy)
    assert state["progress"] is None and state["problem"] is None
    assert state["updated_at"].endswith("Z") and state["num_bytes"] > 0
    assert str(mixed_archive) not in answer.text


def test_a_running_index_is_seen_with_its_progress(mixed_client, mixed_archive):
    with ProgressFile(mixed_archive / "index") as report:
        report(3, 12, "windows encoded: field/7-flash.mp4")
        progress = mixed_client.get("/api/state").json()["indexes"][0]["progress"]
        assert progress == {
            "done": 3,
            "total": 12,
            "message": "windows encoded: field/7-flash.mp4",
            "seconds_left": None,
        }


def test_footage_that_is_not_on_this_machine_is_said_at_the_start(archive, tmp_path, capsys):
    for settings, said in (({}, ""), ({"source": tmp_path / "away"}, f"its footage is not at {tmp_path / 'away'}, so")):
        services = application(archive, state=tmp_path, **settings).state.services
        say_missing_footage(services.catalogue)
        services.close()
        assert said in (line := capsys.readouterr().err) and bool(line) == bool(said)
