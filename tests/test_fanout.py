"""The fan-out with real fragments from a real database; the tabs at its other end write down what they get."""

import asyncio
import json

import pytest
from channels.db import aclose_old_connections
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.db.models import F

from datasets_app import consumers, fanout, listing, sockets
from datasets_app.access import Viewer
from datasets_app.fanout import FanOut
from datasets_app.models import Dataset
from datasets_app.sockets import Socket
from tests import factories
from tokenizations.models import Tokenization, TokenizationShard

pytestmark = pytest.mark.django_db(transaction=True)


class Tab:
    def __init__(self) -> None:
        self.frames: list[str] = []
        self.beats: list[dict] = []
        self.is_dropped = False
        self.is_expelled = False

    async def send_text(self, text: str) -> None:
        if text.startswith("{"):
            self.beats.append(json.loads(text))
        else:
            self.frames.append(text)

    async def drop(self) -> None:
        self.is_dropped = True

    async def expel(self) -> None:
        self.is_expelled = True


def play(scenario):
    """Run a scenario with a fan-out of its own, without any hints from outside."""

    async def run():
        fan = FanOut()
        fan._tasks[0].cancel()
        try:
            return await scenario(fan)
        finally:
            for task in fan._tasks:
                task.cancel()
            await asyncio.gather(*fan._tasks, return_exceptions=True)

    return asyncio.run(run())


async def until(condition, seconds=5.0):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


BOSS = Viewer(pk=1, is_staff=True)
COLLEAGUE = Viewer(pk=2, is_staff=False)


def card_of(dataset):
    return {f"dataset-{dataset.pk}": dataset.pk}


def change(job, **figures):
    """As a slot's report does, outside the event loop's thread."""
    return asyncio.to_thread(_change, job, figures)


def _change(job, figures):
    TokenizationShard.objects.filter(job=job, index=0).update(version=F("version") + 1, **figures)
    connection.close()


@pytest.fixture
def job():
    job = factories.tokenization()
    job.start()
    return Tokenization.objects.select_related("dataset").get(pk=job.pk)


def test_a_new_tab_gets_the_whole_card(job):
    tab = Tab()

    async def scenario(fan):
        await fan.join(Socket(tab, BOSS, card_of(job.dataset)))
        await until(lambda: tab.frames)

    play(scenario)

    assert f'id="dataset-{job.dataset_id}"' in tab.frames[0]
    assert f'id="job-{job.pk}-progress"' in tab.frames[0]


def test_a_report_sends_the_figures_and_not_the_buttons(job):
    tab = Tab()

    async def scenario(fan):
        await fan.join(Socket(tab, BOSS, card_of(job.dataset)))
        await until(lambda: tab.frames)
        await change(job, processed=4, kept=4)
        fan._hear([job.dataset_id])
        await until(lambda: len(tab.frames) == 2)

    play(scenario)

    assert tab.frames[1].strip().startswith("<div")
    assert f'id="job-{job.pk}-progress"' in tab.frames[1]
    assert "<button" not in tab.frames[1]


def test_a_lost_hint_is_made_up_for_by_the_next_beat(job):
    tab = Tab()

    async def scenario(fan):
        await fan.join(Socket(tab, BOSS, card_of(job.dataset)))
        await until(lambda: tab.frames)
        await change(job, processed=7, kept=7)
        await until(lambda: len(tab.frames) == 2, fanout.BEAT_SECONDS + 2)

    play(scenario)

    assert ">7<" in tab.frames[1].replace(" ", "").replace("\n", "")


def test_a_card_is_sent_at_most_four_times_a_second(job):
    tab = Tab()

    async def scenario(fan):
        socket = Socket(tab, BOSS, card_of(job.dataset))
        await fan.join(socket)
        await until(lambda: tab.frames)
        for rows in range(10):
            await change(job, processed=rows, kept=rows)
            fan._hear([job.dataset_id])
            await asyncio.sleep(0.1)

    play(scenario)

    assert 2 <= len(tab.frames) - 1 <= 5


def test_a_tab_that_does_not_keep_up_gets_only_the_newest(job):
    tab = Tab()

    async def scenario(fan):
        socket = Socket(tab, BOSS, card_of(job.dataset))
        await fan.join(socket)
        await until(lambda: tab.frames)
        socket.frames = sockets.UNACKNOWLEDGED_FRAMES
        before = len(tab.frames)
        for rows in (3, 5):
            await change(job, processed=rows, kept=rows)
            await fan._refresh({job.dataset_id})
        assert len(tab.frames) == before
        await until(lambda: tab.beats, 3 * fanout.BEAT_SECONDS)
        await socket.acknowledge(tab.beats[-1]["beat"])
        return before

    before = play(scenario)

    assert len(tab.frames) == before + 1
    assert tab.frames[-1].count("data-version") == 1


def test_a_lost_and_a_doubled_acknowledgement_do_no_harm(job):
    tab = Tab()
    socket = Socket(tab, BOSS, card_of(job.dataset))

    async def scenario():
        for number in (1, 2, 3):
            await socket.offer({"a": "<p>"})
            await socket.beat(number, json.dumps({"beat": number}))
        await socket.acknowledge(2)
        await socket.acknowledge(2)
        await socket.acknowledge(1)
        await socket.acknowledge(99)

    asyncio.run(scenario())

    assert socket.acknowledged == 2
    assert set(socket.beats) == {3}


def test_a_beat_that_is_lost_comes_again_soon(job):
    lost, kept = Tab(), Tab()

    async def scenario(fan):
        attentive = Socket(kept, BOSS, card_of(job.dataset))
        await fan.join(Socket(lost, BOSS, card_of(job.dataset)))
        await fan.join(attentive)
        await until(lambda: kept.beats, 3 * fanout.BEAT_SECONDS)
        await attentive.acknowledge(kept.beats[0]["beat"])
        await until(lambda: len(lost.beats) == 2, fanout.BEAT_SECONDS)
        return len(kept.beats)

    heard = play(scenario)

    assert lost.beats[0] == lost.beats[1]
    assert heard == 1


def test_a_tab_that_never_answers_is_closed(job, monkeypatch):
    monkeypatch.setattr(sockets, "UNACKNOWLEDGED_SECONDS", 0.0)
    tab = Tab()

    async def scenario(fan):
        await fan.join(Socket(tab, BOSS, card_of(job.dataset)))
        await until(lambda: tab.is_dropped, 3 * fanout.BEAT_SECONDS)

    play(scenario)

    assert tab.beats == []


def test_a_socket_that_cannot_be_closed_keeps_nothing_from_the_others(job):
    class Broken(Tab):
        async def send_text(self, text: str) -> None:
            raise ValueError("not a socket any more")

    tab = Tab()

    async def scenario(fan):
        for _ in range(5):
            await fan.join(Socket(Broken(), BOSS, card_of(job.dataset)))
        await fan.join(Socket(tab, BOSS, card_of(job.dataset)))
        await until(lambda: tab.frames and tab.beats, 3 * fanout.BEAT_SECONDS)
        return len(fan._sockets)

    assert play(scenario) == 1


def test_one_person_has_no_more_sockets_than_the_settings_say(job, settings):
    settings.SOCKETS_PER_USER = 2
    tabs = [Socket(Tab(), BOSS, card_of(job.dataset)) for _ in range(4)]

    async def scenario(fan):
        joined = [await fan.join(tab) for tab in tabs[:3]]
        other = await fan.join(Socket(Tab(), COLLEAGUE, card_of(job.dataset)))
        for tab in (tabs[2], tabs[0], tabs[0]):  # one that was refused, and one that goes twice
            fan.leave(tab)
        joined += [await fan.join(tabs[3]), await fan.join(tabs[0])]
        return joined, other

    joined, other = play(scenario)

    assert joined == [True, True, False, True, False]
    assert other


def test_a_tab_too_many_is_closed_with_a_code_of_its_own(job, settings, admin_user):
    settings.SOCKETS_PER_USER = 1

    async def scenario(fan):
        fanout._fan_outs[asyncio.get_running_loop()] = fan
        first, second = (a_connection(job, admin_user) for _ in range(2))
        assert (await first.connect())[0]
        await second.connect()
        output = await second.receive_output()
        await aclose_old_connections()  # the communicators of Channels leave them open
        return output

    closed = play(scenario)

    assert (closed["type"], closed["code"]) == ("websocket.close", consumers.TOO_MANY_SOCKETS)


def a_connection(job, user):
    """From a page of the same host, behind the sign-in."""
    headers = [(b"host", b"here"), (b"origin", b"http://here")]
    address = f"/ws/live/?card={job.dataset_id}"
    communicator = WebsocketCommunicator(consumers.LiveConsumer.as_asgi(), address, headers=headers)
    communicator.scope |= {"user": user, "session": SessionStore()}
    return communicator


def test_a_deleted_dataset_leaves_every_tab(job):
    tab = Tab()

    async def scenario(fan):
        await fan.join(Socket(tab, BOSS, card_of(job.dataset)))
        await until(lambda: tab.frames)
        await asyncio.to_thread(_delete, job.dataset)
        fan._hear([job.dataset_id])
        await until(lambda: len(tab.frames) == 2)

    play(scenario)

    assert tab.frames[1] == fanout.gone(f"dataset-{job.dataset_id}")


def test_what_was_not_asked_for_when_it_was_read_is_not_taken_for_deleted(job):
    tab = Tab()
    head = {f"head-{job.dataset_id}": job.dataset_id}

    async def scenario(fan):
        await fan.join(Socket(Tab(), BOSS, head))
        refreshing = asyncio.create_task(fan._refresh({job.dataset_id}))
        await asyncio.sleep(0)
        await fan.join(Socket(tab, BOSS, card_of(job.dataset)))
        await refreshing
        await until(lambda: tab.frames)

    play(scenario)

    assert not any("data-gone" in frame for frame in tab.frames)


def _delete(dataset):
    dataset.mark_for_deletion(None)
    connection.close()


def test_beats_name_the_versions_of_what_a_tab_shows(job):
    tab = Tab()

    async def scenario(fan):
        await fan.join(Socket(tab, BOSS, card_of(job.dataset)))
        await until(lambda: tab.beats and tab.beats[-1]["versions"], 3 * fanout.BEAT_SECONDS)

    play(scenario)

    dataset = Dataset.objects.get(pk=job.dataset_id)
    assert tab.beats[-1]["versions"][f"dataset-{dataset.pk}"] == dataset.version
    assert f"job-{job.pk}-progress" in tab.beats[-1]["versions"]


def test_who_may_not_control_sees_no_buttons(job):
    may, may_not = Tab(), Tab()

    async def scenario(fan):
        await fan.join(Socket(may, BOSS, card_of(job.dataset)))
        await fan.join(Socket(may_not, COLLEAGUE, card_of(job.dataset)))
        await until(lambda: may.frames and may_not.frames)

    play(scenario)

    assert "Cancel tokenization" in may.frames[0]
    assert "Cancel tokenization" not in may_not.frames[0]


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"beat": "9"}', '{"beat": 1e400}', "x" * 10_000])
def test_nonsense_from_a_client_is_ignored(text):
    from datasets_app.consumers import acknowledgement

    assert acknowledgement(text) is None


def test_a_tab_of_somebody_who_signed_out_is_closed(job, monkeypatch):
    monkeypatch.setattr(fanout, "EXPEL_SECONDS", 0.1)
    tab = Tab()

    async def scenario(fan):
        await fan.join(Socket(tab, BOSS, card_of(job.dataset), session_key="of long ago"))
        await until(lambda: tab.is_expelled)

    play(scenario)


def test_who_made_a_job_has_its_buttons_on_a_dataset_of_somebody_else(job):
    Tokenization.objects.filter(pk=job.pk).update(created_by=User.objects.create(pk=COLLEAGUE.pk, username="carl"))
    tab = Tab()

    async def scenario(fan):
        await fan.join(Socket(tab, COLLEAGUE, card_of(job.dataset)))
        await until(lambda: tab.frames)

    play(scenario)

    assert "Cancel tokenization" in tab.frames[0]


def test_a_beat_brings_the_running_jobs_and_the_places_in_the_queue(job):
    waiting = factories.tokenization(job.dataset, max_length=9)
    tab = Tab()

    async def scenario(fan):
        await fan.join(Socket(tab, BOSS, card_of(job.dataset)))
        await until(lambda: tab.beats, 3 * fanout.BEAT_SECONDS)

    play(scenario)

    assert f'id="running-{job.pk}"' in tab.beats[-1]["html"]
    assert f'id="job-{waiting.pk}-queued"' in tab.beats[-1]["html"]
    assert "1st in the queue." in tab.beats[-1]["html"]


def test_only_who_made_a_job_hears_of_its_end(job):
    owner = User.objects.create(pk=COLLEAGUE.pk, username="carl")
    Tokenization.objects.filter(pk=job.pk).update(created_by=owner)
    Tokenization.objects.get(pk=job.pk).fail("The disk is full.")
    mine, other = Tab(), Tab()

    async def scenario(fan):
        await fan.join(Socket(mine, COLLEAGUE, {}))
        await fan.join(Socket(other, BOSS, {}))
        await until(lambda: mine.beats and other.beats, 3 * fanout.BEAT_SECONDS)

    play(scenario)

    assert f'data-news="{job.pk}.' in mine.beats[-1]["html"]
    assert "data-news" not in other.beats[-1]["html"]


def test_an_open_list_gets_a_new_dataset_and_then_its_changes(job):
    tab = Tab()
    socket = Socket(tab, BOSS, card_of(job.dataset), listing=listing.followed("page=1", BOSS), seen="something else")

    async def scenario(fan):
        await fan.join(socket)
        await until(lambda: any("found" in frame for frame in tab.frames), 3 * fanout.BEAT_SECONDS)
        other = await asyncio.to_thread(_new_dataset)
        await until(lambda: f"dataset-{other.pk}" in socket.shows, 3 * fanout.BEAT_SECONDS)
        await until(lambda: f'id="dataset-{other.pk}"' in tab.frames[-1])
        return other

    other = play(scenario)

    assert socket.seen != "something else"
    assert set(socket.shows) == {f"dataset-{job.dataset_id}", f"dataset-{other.pk}"}


def _new_dataset():
    try:
        return factories.ready_dataset("another")
    finally:
        connection.close()


def test_tabs_with_the_same_list_are_read_for_once(job):
    query = "q=letters&page=1"

    assert listing.followed(query, BOSS) == listing.followed(query, COLLEAGUE)
    assert listing.followed("owner=me", BOSS) != listing.followed("owner=me", COLLEAGUE)


def test_what_has_not_changed_is_not_rendered_again(job):
    from datasets_app import fragments

    name = f"dataset-{job.dataset_id}"
    wanted, viewers = {job.dataset_id: {name}}, {job.dataset_id: {BOSS}}
    first = fragments.read(wanted, viewers, {}, None)
    TokenizationShard.objects.filter(job=job, index=0).update(version=F("version") + 1)

    second = fragments.read(wanted, viewers, first, None)

    assert second[job.dataset_id][name].html[BOSS] is first[job.dataset_id][name].html[BOSS]
    assert second[job.dataset_id][name].parts[0].version == first[job.dataset_id][name].parts[0].version + 1


def test_who_leaves_and_comes_back_in_mid_reading_stops_nobody(job):
    first, back = Tab(), Tab()

    async def scenario(fan):
        stays = Socket(first, BOSS, card_of(job.dataset))
        leaves = Socket(Tab(), COLLEAGUE, card_of(job.dataset))
        await fan.join(stays)
        await fan.join(leaves)
        await until(lambda: first.frames and leaves.sent)
        fan.leave(leaves)
        await change(job, processed=7, kept=7)
        reading = asyncio.create_task(fan._refresh({job.dataset_id}))
        await asyncio.sleep(0)
        await fan.join(Socket(back, COLLEAGUE, card_of(job.dataset)))
        await reading
        await until(lambda: back.frames)

    play(scenario)

    assert len(first.frames) == 2
    assert f'id="dataset-{job.dataset_id}"' in back.frames[0]


def test_a_dataset_that_cannot_be_rendered_keeps_no_other_from_its_screens(job, caplog):
    from datasets_app import fragments

    other = factories.ready_dataset("numbers")
    Dataset.objects.filter(pk=other.pk).update(splits=7)
    wanted = {pk: {f"dataset-{pk}"} for pk in (job.dataset_id, other.pk)}

    read = fragments.read(wanted, {pk: {BOSS} for pk in wanted}, {}, None)

    assert set(read) == {job.dataset_id}
    assert str(other.pk) in caplog.text


def test_the_queries_do_not_grow_with_the_pages_that_are_open(job):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from datasets_app import fragments

    def queries(datasets):
        wanted = {each.pk: {f"head-{each.pk}", f"events-{each.pk}", f"jobs-{each.pk}"} for each in datasets}
        viewers = {each.pk: {BOSS} for each in datasets}
        known = fragments.read(wanted, viewers, {}, None)
        with CaptureQueriesContext(connection) as caught:
            fragments.read(wanted, viewers, known, None)
        return len(caught)

    datasets = [job.dataset, *(factories.ready_dataset(f"letters {number}") for number in range(5))]

    assert queries(datasets) == queries(datasets[:2])


def test_who_comes_late_gets_the_newest_figures_with_an_unchanged_card(job):
    early, late = Tab(), Tab()

    async def scenario(fan):
        await fan.join(Socket(early, BOSS, card_of(job.dataset)))
        await until(lambda: early.frames)
        await change(job, processed=7, kept=7)
        fan._hear([job.dataset_id])
        await until(lambda: len(early.frames) == 2)
        await fan.join(Socket(late, BOSS, card_of(job.dataset)))
        await until(lambda: late.frames)

    play(scenario)

    assert late.frames[0].index(f'id="dataset-{job.dataset_id}"') < late.frames[0].rindex(f'id="job-{job.pk}-progress"')
    assert ">7<" in late.frames[0].replace(" ", "").replace("\n", "")
