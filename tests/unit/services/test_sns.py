"""SNS and SQS, called through botocore's clients, on a real store; HTTP subscribers are real servers."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagesmith.services import sns, sqs
from sagesmith.services.base import Home
from sagesmith.services.sns import deliveries
from sagesmith.services.sns.deliveries import Deliveries
from sagesmith.services.sqs import messages
from sagesmith.store import Query
from sagesmith.wire.app import Dispatcher
from tests.unit.services.home import home_in
from tests.unit.wire.clients import ACCOUNT, CALLER, client_for

ARN = f"arn:aws:sns:us-east-1:{ACCOUNT}:"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = home_in(tmp_path)
    yield home
    home.store.close()


def connect(home: Home, service: str, **options: Any) -> Any:
    handlers = {"sns": sns.handlers(home), "sqs": sqs.handlers(home)}
    return client_for(service, Dispatcher(handlers), **options)


@pytest.fixture
def topics(home: Home) -> Any:
    return connect(home, "sns")


@pytest.fixture
def queues(home: Home) -> Any:
    return connect(home, "sqs")


class Subscriber:
    """An HTTP server that keeps what it is sent, and answers with a status."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], str]] = []
        self.status = 200
        subscriber = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                subscriber.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(subscriber.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nobody reads it."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook?x=1"


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    made = Subscriber()
    yield made
    made.server.shutdown()
    made.server.server_close()


def refused(call: Any, **params: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as raised:
        call(**params)
    response = raised.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


def test_a_topic_is_made_once_and_listed_until_it_is_deleted(topics: Any) -> None:
    arn = topics.create_topic(Name="done", Tags=[{"Key": "a", "Value": "b"}])["TopicArn"]
    assert arn == f"{ARN}done" == topics.create_topic(Name="done")["TopicArn"]
    assert topics.list_topics()["Topics"] == [{"TopicArn": arn}]
    assert topics.get_topic_attributes(TopicArn=arn)["Attributes"]["Owner"] == ACCOUNT
    topics.delete_topic(TopicArn=arn)
    topics.delete_topic(TopicArn=arn)
    assert topics.list_topics()["Topics"] == []
    assert refused(topics.publish, TopicArn=arn, Message="x")[:2] == ("NotFound", 404)


def test_a_message_reaches_the_queues_that_subscribe(topics: Any, queues: Any) -> None:
    arn = topics.create_topic(Name="done")["TopicArn"]
    wrapped, raw = (queues.create_queue(QueueName=name)["QueueUrl"] for name in ("wrapped", "raw"))
    for url, attributes in ((wrapped, {}), (raw, {"RawMessageDelivery": "true"})):
        queue = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        subscribed = topics.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue, Attributes=attributes)
        assert subscribed["SubscriptionArn"].startswith(f"{arn}:")
    published = topics.publish(
        TopicArn=arn,
        Message="hello",
        Subject="greeting",
        MessageAttributes={"kind": {"DataType": "String", "StringValue": "friendly"}},
    )
    (message,) = queues.receive_message(QueueUrl=raw)["Messages"]
    assert message["Body"] == "hello"
    (message,) = queues.receive_message(QueueUrl=wrapped)["Messages"]
    document = json.loads(message["Body"])
    assert document.pop("Timestamp").endswith("Z")
    assert document == {
        "Type": "Notification",
        "MessageId": published["MessageId"],
        "TopicArn": arn,
        "Subject": "greeting",
        "Message": "hello",
        "MessageAttributes": {"kind": {"Type": "String", "Value": "friendly"}},
    }


def test_an_http_server_confirms_and_is_then_told(home: Home, topics: Any, subscriber: Subscriber) -> None:
    arn = topics.create_topic(Name="done")["TopicArn"]
    made = topics.subscribe(TopicArn=arn, Protocol="http", Endpoint=subscriber.url)
    assert made["SubscriptionArn"] == "pending confirmation"
    topics.publish(TopicArn=arn, Message="too early")
    Deliveries(home.store).deliver()
    ((headers, body),) = subscriber.got
    asked = json.loads(body)
    assert headers["x-amz-sns-message-type"] == asked["Type"] == "SubscriptionConfirmation"
    assert "Action=ConfirmSubscription" in asked["SubscribeURL"]
    assert "X-Amz-Signature=" in asked["SubscribeURL"]
    assert refused(topics.confirm_subscription, TopicArn=arn, Token="guessed")[0] == "InvalidParameter"
    confirmed = topics.confirm_subscription(TopicArn=arn, Token=asked["Token"])["SubscriptionArn"]
    topics.publish(TopicArn=arn, Message="in time")
    Deliveries(home.store).deliver()
    headers, body = subscriber.got[-1]
    assert len(subscriber.got) == 2
    assert headers["x-amz-sns-subscription-arn"] == confirmed
    assert json.loads(body)["Message"] == "in time"
    Deliveries(home.store).deliver()
    assert len(subscriber.got) == 2


def test_who_does_not_take_a_notification_is_asked_four_times(
    home: Home, topics: Any, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "RETRY_SECONDS", -1.0)
    subscriber.status = 500
    arn = topics.create_topic(Name="done")["TopicArn"]
    topics.subscribe(TopicArn=arn, Protocol="http", Endpoint=subscriber.url)
    for _ in range(6):
        Deliveries(home.store).deliver()
    assert len(subscriber.got) == deliveries.ATTEMPTS == 4


def test_what_cannot_be_asked_holds_nothing_up(home: Home, topics: Any, subscriber: Subscriber) -> None:
    arn = topics.create_topic(Name="done")["TopicArn"]
    for url in (f"http://{'x' * 70}.example/", subscriber.url):
        topics.subscribe(TopicArn=arn, Protocol="http", Endpoint=url)
    with home.store.read() as tx:
        due = tx.list(Query(deliveries.KIND, "all")).documents
    assert len(due) == 2
    Deliveries(home.store).deliver()
    assert len(subscriber.got) == 1
    with home.store.read() as tx:
        (left,) = tx.list(Query(deliveries.KIND, "all")).documents
    assert left.body["attempts"] == 1


def test_a_server_that_is_silent_is_waited_for_once_for_all_that_is_due(
    home: Home, topics: Any, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        for number in range(8):
            arn = topics.create_topic(Name=f"t{number}")["TopicArn"]
            topics.subscribe(TopicArn=arn, Protocol="http", Endpoint=url)
        topics.subscribe(TopicArn=arn, Protocol="http", Endpoint=subscriber.url)
        Deliveries(home.store).deliver()
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()
    assert len(subscriber.got) == 1
    with home.store.read() as tx:
        left = tx.list(Query(deliveries.KIND, "all")).documents
    assert [each.body["attempts"] for each in left] == [1] * 8


def test_who_answers_byte_by_byte_is_given_up(home: Home, topics: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "ANSWER_SECONDS", 0.5)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            peer, _ = listening.accept()
            with peer, contextlib.suppress(OSError):
                while not over.wait(0.05):
                    peer.sendall(b"H")

        dripping = threading.Thread(target=drip)
        dripping.start()
        arn = topics.create_topic(Name="done")["TopicArn"]
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        topics.subscribe(TopicArn=arn, Protocol="http", Endpoint=url)
        delivering = threading.Thread(target=Deliveries(home.store).deliver)
        delivering.start()
        delivering.join(20)
        given_up = not delivering.is_alive()
        over.set()
        dripping.join()
        delivering.join()
    assert given_up


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WaitTimeSeconds", 21),
        ("WaitTimeSeconds", -1),
        ("VisibilityTimeout", 43_201),
        ("MaxNumberOfMessages", 11),
        ("MaxNumberOfMessages", 0),
    ],
)
def test_nobody_waits_or_hides_messages_for_longer_than_sqs_lets_them(queues: Any, name: str, value: int) -> None:
    url = queues.create_queue(QueueName="q")["QueueUrl"]
    queues.send_message(QueueUrl=url, MessageBody="x")
    assert refused(queues.receive_message, QueueUrl=url, **{name: value})[:2] == ("InvalidParameterValue", 400)
    (message,) = queues.receive_message(QueueUrl=url)["Messages"]
    handle = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 43_201}
    assert refused(queues.change_message_visibility, **handle)[:2] == ("InvalidParameterValue", 400)


@pytest.mark.parametrize("asked", [{"MaxResults": 0}, {"MaxResults": 1, "NextToken": "none"}])
def test_a_page_of_queues_that_cannot_be_is_refused(queues: Any, asked: dict[str, Any]) -> None:
    assert refused(queues.list_queues, **asked)[:2] == ("InvalidParameterValue", 400)


def test_a_job_cannot_have_the_platform_ask_servers(home: Home) -> None:
    job = replace(CALLER, job_arn=f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-job/j")
    topics = connect(home, "sns", principal=job)
    arn = topics.create_topic(Name="done")["TopicArn"]
    code, status, _ = refused(topics.subscribe, TopicArn=arn, Protocol="http", Endpoint="http://127.0.0.1:1/")
    assert (code, status) == ("AuthorizationError", 403)
    assert topics.list_subscriptions()["Subscriptions"] == []


@pytest.mark.parametrize(
    ("protocol", "endpoint", "code", "status"),
    [
        ("sqs", f"arn:aws:sqs:us-east-1:{ACCOUNT}:none", "InvalidParameter", 400),
        ("http", "https://localhost/", "InvalidParameter", 400),
        ("http", "http://localhost:no/", "InvalidParameter", 400),
        ("http", "http://localhost:99999/", "InvalidParameter", 400),
        ("http", "http://localhost/ö", "InvalidParameter", 400),
        ("http", "http://[::1/", "InvalidParameter", 400),
        ("http", "http://user:word@localhost/", "InvalidParameter", 400),
        ("pigeon", "home", "InvalidParameter", 400),
        ("email", "a@example.com", "NotImplementedException", 501),
    ],
)
def test_a_subscriber_that_cannot_be_is_refused(
    topics: Any, protocol: str, endpoint: str, code: str, status: int
) -> None:
    arn = topics.create_topic(Name="done")["TopicArn"]
    assert refused(topics.subscribe, TopicArn=arn, Protocol=protocol, Endpoint=endpoint)[:2] == (code, status)
    assert topics.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"] == []


def test_a_message_is_hidden_while_it_is_worked_on_and_comes_back(queues: Any) -> None:
    url = queues.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
    for text in ("first", "second"):
        queues.send_message(QueueUrl=url, MessageBody=text)
    got = queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"])["Messages"]
    assert [each["Body"] for each in got] == ["first", "second"]
    assert got[0]["Attributes"]["ApproximateReceiveCount"] == "1"
    assert queues.receive_message(QueueUrl=url).get("Messages", []) == []
    queues.change_message_visibility(QueueUrl=url, ReceiptHandle=got[0]["ReceiptHandle"], VisibilityTimeout=0)
    (again,) = queues.receive_message(QueueUrl=url, MessageSystemAttributeNames=["ApproximateReceiveCount"])["Messages"]
    assert (again["Body"], again["Attributes"]) == ("first", {"ApproximateReceiveCount": "2"})
    for each in got:
        queues.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
    counts = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessages"] == counts["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_a_call_that_waits_gets_a_message_as_soon_as_there_is_one(queues: Any) -> None:
    url = queues.create_queue(QueueName="q")["QueueUrl"]
    got: list[Any] = []
    waiting = threading.Thread(
        target=lambda: got.extend(queues.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"])
    )
    waiting.start()
    queues.send_message(QueueUrl=url, MessageBody="at last")
    waiting.join()
    assert [each["Body"] for each in got] == ["at last"]


def test_a_queue_forgets_what_nobody_received_in_time(home: Home, queues: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    url = queues.create_queue(QueueName="q", Attributes={"MessageRetentionPeriod": "60"})["QueueUrl"]
    queues.send_message(QueueUrl=url, MessageBody="old")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)
    messages.expire(home.store)
    assert queues.receive_message(QueueUrl=url).get("Messages", []) == []


def test_a_queue_that_is_not_there_is_told_as_aws_does(queues: Any) -> None:
    code, status, message = refused(queues.get_queue_url, QueueName="none")
    assert (code, status) == ("AWS.SimpleQueueService.NonExistentQueue", 400)
    assert message == "The specified queue does not exist."
    with pytest.raises(queues.exceptions.QueueDoesNotExist):
        queues.receive_message(QueueUrl="http://127.0.0.1:9900/123456789012/none")


def test_a_queue_is_made_once_and_not_with_other_attributes(queues: Any) -> None:
    url = queues.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "5"})["QueueUrl"]
    assert queues.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "5"})["QueueUrl"] == url
    assert refused(queues.create_queue, QueueName="q", Attributes={"VisibilityTimeout": "6"})[0] == "QueueAlreadyExists"
    assert refused(queues.create_queue, QueueName="r", Attributes={"VisibilityTimeout": "x"})[0] == (
        "InvalidAttributeValue"
    )
    assert refused(queues.create_queue, QueueName="r", Attributes={"RedrivePolicy": "{}"})[1] == 501
    assert queues.list_queues()["QueueUrls"] == [url]
    queues.delete_queue(QueueUrl=url)
    assert queues.list_queues().get("QueueUrls", []) == []


def test_what_is_no_receipt_handle_is_refused(queues: Any) -> None:
    url = queues.create_queue(QueueName="q")["QueueUrl"]
    assert refused(queues.delete_message, QueueUrl=url, ReceiptHandle="no")[0] == "ReceiptHandleIsInvalid"
