"""What a Prometheus server says, and all the ways in which it does not answer."""

import json
from decimal import Decimal

import httpx
import pytest

from debtreg import prometheus
from debtreg.prometheus import Prometheus, QueryRefused, SiteDown, TookTooLong

URL = "https://prometheus.example.org/base"


def site(answer, **options):
    """A server that answers so: a response, or a function of the request."""
    handler = answer if callable(answer) else lambda request: answer
    return Prometheus(URL, transport=httpx.MockTransport(handler), **options)


def says(result, kind="matrix", **more):
    body = {"status": "success", "data": {"resultType": kind, "result": result}, **more}
    return httpx.Response(200, json=body)


def series(*values, **labels):
    return {"metric": labels, "values": list(values)}


def asked(answer):
    with site(answer) as server:
        return server.range("up", 60, 600, 60)


# --- What it says ---------------------------------------------------------------------------------


def test_samples_are_read_as_exact_decimals():
    found = asked(says([series([60, "0.1"], [120, "1e-9"], [180.0, "12345678901234567.8"])]))

    assert prometheus.one(found) == {
        60: Decimal("0.1"),
        120: Decimal("1e-9"),
        180: Decimal("12345678901234567.8"),
    }


def test_nan_infinity_and_what_is_missing_are_gaps_and_zero_is_none():
    found = asked(says([series([60, "NaN"], [120, "+Inf"], [180, "-Inf"], [300, "0"])]))

    assert prometheus.one(found) == {300: 0}


def test_no_series_is_no_data():
    assert prometheus.one(asked(says([]))) == {}


def test_several_series_are_refused_with_what_they_differ_by():
    found = asked(says([series([60, "1"], code="200"), series([60, "2"], code="500")]))

    with pytest.raises(QueryRefused, match="yields 2 series, which differ by code") as refused:
        prometheus.one(found)
    assert "sum(" in refused.value.hint


def test_a_query_is_posted_with_the_login_and_its_times():
    requests = []

    def answer(request):
        requests.append(request)
        return says([], kind="vector" if request.url.path.endswith("/query") else "matrix")

    with site(answer, auth=("sre", "word")) as server:
        server.range('up{a="ü+&"}', 60, 600, 60)
    with site(answer, auth="token") as server:
        server.instant("up", 60)

    first, second = requests
    assert (first.method, str(first.url)) == ("POST", f"{URL}/api/v1/query_range")
    assert dict(httpx.QueryParams(first.content.decode())) == {
        "query": 'up{a="ü+&"}',
        "start": "60",
        "end": "600",
        "step": "60",
    }
    assert first.headers["authorization"] == "Basic c3JlOndvcmQ="
    assert second.headers["authorization"] == "Bearer token"
    assert dict(httpx.QueryParams(second.content.decode())) == {"query": "up", "time": "60"}


def test_where_only_get_is_let_through_it_is_used():
    def answer(request):
        if request.method == "POST":
            return httpx.Response(405)
        assert request.url.params["query"] == "up"
        return says([series([60, "1"])])

    assert prometheus.one(asked(answer)) == {60: 1}


# --- One query that has no answer -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "says_so"),
    [
        (400, "bad_data", "refuses the query (bad_data, 400): Invalid parameter"),
        (422, "execution", "refuses the query (execution, 422): Invalid parameter"),
        (503, "timeout", "refuses the query (timeout, 503): Invalid parameter"),
    ],
)
def test_an_error_of_one_query_is_told_in_its_words(status, kind, says_so):
    body = {"status": "error", "errorType": kind, "error": "invalid parameter\n 'query'"}

    with pytest.raises(QueryRefused) as refused:
        asked(httpx.Response(status, json=body))
    assert says_so in refused.value.message


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (says([], warnings=["results truncated due to limit"]), "left out a part"),
        (says([{"metric": {}, "histograms": [[60, {}]]}]), "native histogram"),
        (says([60, "1"], kind="scalar"), "yields a scalar"),
        (httpx.Response(200, content=b" " * (prometheus.MOST_BYTES + 1)), "more than 32 MiB"),
    ],
)
def test_an_answer_that_cannot_be_used_is_refused(answer, problem):
    with pytest.raises(QueryRefused, match=problem):
        asked(answer)


def test_other_warnings_do_no_harm():
    answer = says([series([60, "1"])], warnings=["PromQL info: metric might not be a counter"])

    assert prometheus.one(asked(answer)) == {60: 1}


def test_a_server_that_falls_silent_took_too_long():
    def answer(request):
        raise httpx.ReadTimeout("", request=request)

    with pytest.raises(TookTooLong, match="took too long"):
        asked(answer)


# --- No answer at all -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (httpx.Response(401), "does not let us in (401)"),
        (httpx.Response(403, json={"status": "error", "errorType": "x", "error": ""}), "let us in"),
        (httpx.Response(404), "no Prometheus API at this address (404)"),
        (httpx.Response(429), "is not ready (429)"),
        (httpx.Response(502, text="<html>"), "is not ready (502)"),
        (httpx.Response(503), "is not ready (503)"),
        (
            httpx.Response(
                503, json={"status": "error", "errorType": "unavailable", "error": "replaying"}
            ),
            "is not ready: Replaying.",
        ),
        (httpx.Response(200, text="<html>Log in</html>"), "not as Prometheus does"),
        (httpx.Response(200, text="[" * 100_000), "not as Prometheus does"),
        (httpx.Response(200, json=[]), "not as Prometheus does"),
        (httpx.Response(200, json={"status": "success"}), "not as Prometheus does"),
        (says([], kind="vector"), "not as Prometheus does"),
        (says({}), "not as Prometheus does"),
        (says([series([60, "a"])]), "not as Prometheus does"),
        (says([series([60])]), "not as Prometheus does"),
        (says([series(["a", "1"])]), "not as Prometheus does"),
        (says([7]), "not as Prometheus does"),
    ],
)
def test_a_site_that_cannot_be_used_says_why(answer, problem):
    with pytest.raises(SiteDown) as down:
        asked(answer)
    assert problem in down.value.message


def test_a_redirect_is_not_followed_so_that_no_other_host_sees_the_login():
    hosts = []

    def answer(request):
        hosts.append(request.url.host)
        return httpx.Response(307, headers={"Location": "https://evil.example.org/api"})

    with pytest.raises(SiteDown, match=r"redirects to evil\.example\.org/api"):
        asked(answer)
    assert hosts == ["prometheus.example.org"]


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadError])
def test_a_site_that_is_away_says_so(error):
    def answer(request):
        raise error("nobody there", request=request)

    with pytest.raises(SiteDown, match="does not answer: Nobody there"):
        asked(answer)


def test_texts_of_a_server_are_kept_short():
    body = {"status": "error", "errorType": "bad_data", "error": "x" * 10_000}

    with pytest.raises(QueryRefused) as refused:
        asked(httpx.Response(400, content=json.dumps(body)))
    assert len(refused.value.message) < 500
