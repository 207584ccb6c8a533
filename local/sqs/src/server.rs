//! HTTP and long polling: reads the action from `X-Amz-Target`, executes it and writes the answer.
//! A receive waits here until a message is due.
//!
//! Path and method are ignored, because some clients post to the queue's URL and others to `/`.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::actions::{self, Poll};
use super::protocol::{ReceivedMessages, WireError};
use super::rejection::{Rejection, SqsError};
use super::store::Queues;
use super::{Sqs, Unavailable};
use crate::origin::refuse_pages;

/// A body has 1 MiB of text, which clients that escape to ASCII may triple.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// How long a waiting receive sleeps before it polls again. Changes in its own queue wake it
/// earlier; polling finds messages that become due for redrive in a source queue without receivers.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The implemented actions, as counted by [`Sqs::requests`].
const ACTIONS: [&str; 15] = [
    "CreateQueue",
    "GetQueueUrl",
    "ListQueues",
    "GetQueueAttributes",
    "SetQueueAttributes",
    "PurgeQueue",
    "DeleteQueue",
    "SendMessage",
    "SendMessageBatch",
    "ReceiveMessage",
    "DeleteMessage",
    "DeleteMessageBatch",
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
    "StartMessageMoveTask",
];

/// Serves clients until `shutdown` completes. Receives that wait at that time get an empty answer.
///
/// # Errors
/// The listener fails.
pub async fn serve(
    listener: TcpListener,
    sqs: Sqs,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (running, stopped) = watch::channel(());
    let routes = Router::new()
        .fallback(handle)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn(refuse_pages))
        .with_state(Edge { sqs, stopped });
    let stop = async move {
        shutdown.await;
        drop(running);
    };
    axum::serve(listener, routes).with_graceful_shutdown(stop).await
}

#[derive(Clone)]
struct Edge {
    sqs: Sqs,
    /// Closed when the server stops.
    stopped: watch::Receiver<()>,
}

async fn handle(State(edge): State<Edge>, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let action = text("x-amz-target").and_then(|target| target.strip_prefix("AmazonSQS."));
    let host = text(header::HOST.as_str()).unwrap_or("localhost").to_owned();
    let answer = edge.dispatch(action.unwrap_or_default(), host, &body).await;
    let common = [
        (header::CONTENT_TYPE.as_str(), "application/x-amz-json-1.0".to_owned()),
        ("x-amzn-requestid", Uuid::new_v4().to_string()),
    ];
    match answer {
        Ok(body) => (common, body).into_response(),
        Err(error) => {
            if let SqsError::Unavailable(unavailable) = &error {
                tracing::error!(
                    action,
                    error = unavailable as &dyn std::error::Error,
                    "sqs failed"
                );
            }
            let WireError { status, query_error, body } = (&error).into();
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            (status, common, [("x-amzn-query-error", query_error)], body).into_response()
        }
    }
}

impl Edge {
    async fn dispatch(self, action: &str, host: String, body: &[u8]) -> Result<Vec<u8>, SqsError> {
        let sqs = &self.sqs;
        sqs.count(ACTIONS.iter().find(|known| **known == action).copied().unwrap_or("unknown"));
        match action {
            "CreateQueue" => answer_at(host, sqs, body, actions::create_queue).await,
            "GetQueueUrl" => answer_at(host, sqs, body, actions::get_queue_url).await,
            "ListQueues" => answer_at(host, sqs, body, actions::list_queues).await,
            "GetQueueAttributes" => answer(sqs, body, actions::get_queue_attributes).await,
            "SetQueueAttributes" => answer(sqs, body, actions::set_queue_attributes).await,
            "PurgeQueue" => answer(sqs, body, actions::purge_queue).await,
            "DeleteQueue" => answer(sqs, body, actions::delete_queue).await,
            "SendMessage" => answer(sqs, body, actions::send_message).await,
            "SendMessageBatch" => answer(sqs, body, actions::send_message_batch).await,
            "ReceiveMessage" => self.receive_message(body).await,
            "DeleteMessage" => answer(sqs, body, actions::delete_message).await,
            "DeleteMessageBatch" => answer(sqs, body, actions::delete_message_batch).await,
            "ChangeMessageVisibility" => {
                answer(sqs, body, actions::change_message_visibility).await
            }
            "ChangeMessageVisibilityBatch" => {
                answer(sqs, body, actions::change_message_visibility_batch).await
            }
            "StartMessageMoveTask" => answer(sqs, body, actions::start_message_move_task).await,
            _ => Err(Rejection::InvalidAction(action.to_owned()).into()),
        }
    }

    /// Receives messages; while there are none and time is left, waits and tries again.
    async fn receive_message(mut self, body: &[u8]) -> Result<Vec<u8>, SqsError> {
        let poll = Arc::new(Poll::parse(read(body)?)?);
        let waker = self.sqs.waker(&poll.queue);
        let started = Instant::now();
        loop {
            // Subscribes before it reads, so that no message in between is missed.
            let mut woken = pin!(waker.notified());
            woken.as_mut().enable();
            let look = Arc::clone(&poll);
            let polled =
                self.sqs.act(move |queues| actions::receive_message(queues, &look)).await?;
            let wait = Duration::from_secs(polled.wait_seconds.into());
            let left = wait.saturating_sub(started.elapsed());
            if !polled.messages.is_empty() || left.is_zero() {
                return write(&ReceivedMessages { messages: polled.messages });
            }
            let until_due = polled.next_due_in_millis.and_then(|millis| millis.try_into().ok());
            let until_due = until_due.map_or(LOOK_AGAIN, Duration::from_millis);
            tokio::select! {
                () = woken => {}
                () = tokio::time::sleep(left.min(until_due).min(LOOK_AGAIN)) => {}
                _ = self.stopped.changed() => {
                    return write(&ReceivedMessages { messages: Vec::new() });
                }
            }
        }
    }
}

/// Reads the request, runs the action on the store's thread, and writes its answer.
async fn answer<R, A>(
    sqs: &Sqs,
    body: &[u8],
    action: impl FnOnce(&mut Queues<'_>, R) -> Result<A, SqsError> + Send + 'static,
) -> Result<Vec<u8>, SqsError>
where
    R: DeserializeOwned + Send + 'static,
    A: Serialize + Send + 'static,
{
    let request = read(body)?;
    write(&sqs.act(move |queues| action(queues, request)).await?)
}

/// Like [`answer`], for actions whose answers contain URLs.
async fn answer_at<R, A>(
    host: String,
    sqs: &Sqs,
    body: &[u8],
    action: fn(&mut Queues<'_>, R, &str) -> Result<A, SqsError>,
) -> Result<Vec<u8>, SqsError>
where
    R: DeserializeOwned + Send + 'static,
    A: Serialize + Send + 'static,
{
    answer(sqs, body, move |queues, request| action(queues, request, &host)).await
}

fn read<R: DeserializeOwned>(body: &[u8]) -> Result<R, Rejection> {
    serde_json::from_slice(body).map_err(|error| Rejection::Malformed(error.to_string()))
}

fn write<A: Serialize>(answer: &A) -> Result<Vec<u8>, SqsError> {
    Ok(serde_json::to_vec(answer).map_err(Unavailable::Answer)?)
}
