use std::convert::Infallible;
use std::io::{BufReader, Read as _, Write as _};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::sync::mpsc::unbounded_channel;

use crate::upstream::{Upstream, read_chunk, read_head};
use crate::world::{World, request};

fn next<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(Duration::from_secs(10)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_passed_on_before_the_next_one_is_sent() {
    let (go, gone) = channel::<()>();
    let gone = Mutex::new(gone);
    let upstream = Upstream::serving(move |_, stream| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        for number in 0..5 {
            let event = format!("data: s{number}\n\n");
            write!(stream, "{:x}\r\n{event}\r\n", event.len()).unwrap();
            // Only whoever has this event lets the next one come.
            next(&gone.lock().unwrap());
        }
        stream.write_all(b"0\r\n\r\n").unwrap();
    });
    let world = World::new();
    let id = world.model(&upstream.url("/v1"));
    let answer = world
        .pass(id, request("POST", "/chat", "{}"))
        .await
        .unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut body = answer.into_body();
    for number in 0..5 {
        let frame = tokio::time::timeout(Duration::from_secs(10), body.frame()).await;
        let data = frame.unwrap().unwrap().unwrap().into_data().unwrap();
        assert_eq!(data, format!("data: s{number}\n\n"));
        go.send(()).unwrap();
    }
    assert!(body.frame().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_is_passed_on_as_it_comes() {
    let (arrived, arrivals) = channel();
    let arrived = Mutex::new(arrived);
    let upstream = Upstream::accepting(move |mut stream| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        read_head(&mut reader).unwrap();
        let chunks = std::iter::from_fn(|| read_chunk(&mut reader));
        for chunk in chunks.take_while(|chunk| !chunk.is_empty()) {
            arrived.lock().unwrap().send(chunk).unwrap();
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
    });
    let world = World::new();
    let id = world.model(&upstream.url("/v1"));
    let (sender, mut frames) = unbounded_channel();
    let stream = futures_util::stream::poll_fn(move |context| frames.poll_recv(context));
    let asked = Request::post("/files")
        .body(StreamBody::new(stream))
        .unwrap();
    let passing =
        tokio::spawn(async move { (world.pass(id, asked).await.unwrap().status(), world) });
    for number in 0..5 {
        let chunk = Bytes::from(format!("chunk {number}"));
        let frame: Result<_, Infallible> = Ok(Frame::data(chunk.clone()));
        sender.send(frame).unwrap();
        assert_eq!(tokio::task::block_in_place(|| next(&arrivals)), chunk);
    }
    drop(sender);
    let (status, world) = passing.await.unwrap();
    assert_eq!(status, 200);
    assert_eq!(world.ends(1)[0]["sent"], "35");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_ends_the_request_to_the_service() {
    let (ended, end) = channel();
    let ended = Mutex::new(ended);
    let upstream = Upstream::accepting(move |mut stream| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let head = read_head(&mut reader).unwrap();
        if head.contains("/streaming") {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n")
                .unwrap();
        }
        // Until the other side closes.
        let rest = reader.read_to_end(&mut Vec::new());
        ended.lock().unwrap().send(rest.is_ok()).unwrap();
    });
    let world = World::new();
    let id = world.model(&upstream.url("/v1"));
    // While the body is coming.
    let answer = world
        .pass(id, request("GET", "/streaming", ""))
        .await
        .unwrap();
    let mut body = answer.into_body();
    assert!(body.frame().await.is_some());
    drop(body);
    assert!(tokio::task::block_in_place(|| next(&end)));
    // While the service thinks.
    let thinking = world.pass(id, request("GET", "/thinking", ""));
    let gave_up = tokio::time::timeout(Duration::from_millis(300), thinking).await;
    assert!(gave_up.is_err());
    assert!(tokio::task::block_in_place(|| next(&end)));
    let ends = world.ends(2);
    assert!(
        ends.iter().all(|end| end["outcome"] == "cancelled"),
        "{ends:?}"
    );
}
