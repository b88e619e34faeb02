from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from controller.web.metrics import Metrics, Sample

SAMPLES = [
    Sample("calls_started", "Calls begun.", 5, "counter"),
    Sample("calls_ended", "Calls ended.", 2, "counter", {"disposition": "completed"}),
    Sample("calls_running", "Calls in progress.", 1),
    Sample("calls_ended", "Calls ended.", 1, "counter", {"disposition": 'a "strange"\nlabel\\'}),
]


def families(metrics: Metrics):
    return {family.name: family for family in text_string_to_metric_families(metrics.render().decode())}


def test_the_text_is_what_prometheus_reads():
    found = families(Metrics(lambda: SAMPLES))
    started = found["rappel_calls_started"]
    assert (started.type, started.documentation) == ("counter", "Calls begun.")
    assert [(each.name, each.value) for each in started.samples] == [("rappel_calls_started_total", 5.0)]
    assert found["rappel_calls_running"].type == "gauge"
    ended = {each.labels["disposition"]: each.value for each in found["rappel_calls_ended"].samples}
    assert ended == {"completed": 2.0, 'a "strange"\nlabel\\': 1.0}


def test_a_histogram_has_its_buckets():
    buckets = (("0.1", 3.0), ("+Inf", 4.0))
    found = families(Metrics(lambda: [Sample("took_seconds", "How long.", 1.5, "histogram", buckets=buckets)]))
    samples = {(each.name, each.labels.get("le")): each.value for each in found["rappel_took_seconds"].samples}
    assert samples == {
        ("rappel_took_seconds_bucket", "0.1"): 3.0,
        ("rappel_took_seconds_bucket", "+Inf"): 4.0,
        ("rappel_took_seconds_count", None): 4.0,
        ("rappel_took_seconds_sum", None): 1.5,
    }


def test_the_process_is_measured_too():
    found = families(Metrics(list))
    assert found["process_resident_memory_bytes"].samples[0].value > 1_000_000
    assert "process_open_fds" in found
    assert "python_gc_objects_collected" in found


def test_values_are_read_when_they_are_asked_for():
    values = iter([1, 2])
    metrics = Metrics(lambda: [Sample("x", "X.", next(values))])
    assert [families(metrics)["rappel_x"].samples[0].value for _ in range(2)] == [1.0, 2.0]
