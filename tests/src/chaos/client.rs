//! A client: sends its batches in every accepted format, each until it is answered.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fastrand::Rng;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::event::{Accepted, Drawn, Tenant};
use super::process::Addresses;
use crate::http::{Answer, Call};

/// The pause before the next attempt.
const PAUSE: Duration = Duration::from_millis(20);
/// A host that does not restart ends the run.
const ATTEMPTS: usize = 3_000;

/// One client of a tenant.
pub struct Client {
    /// The tenant that the client sends for.
    pub tenant: Tenant,
    /// The current addresses of the host.
    pub addresses: Addresses,
    /// The number of answered batches of all clients.
    pub answered: Arc<AtomicUsize>,
    /// Selects the formats.
    pub random: Rng,
}

/// The responses to a client.
pub struct Sent {
    /// The tenant that the client sent for.
    pub tenant: Tenant,
    /// The events that were answered `accepted`.
    pub accepted: Accepted,
    /// The number of events that were answered `rejected`.
    pub rejected: usize,
    /// The number of batches that were sent again.
    pub again: usize,
}

impl Client {
    /// Sends all batches.
    ///
    /// # Errors
    /// A response that violates the contract, or no response.
    pub async fn send_all(mut self, batches: Vec<Vec<Drawn>>) -> Result<Sent, String> {
        let (accepted, rejected, again) = (Accepted::new(), 0, 0);
        let mut sent = Sent { tenant: self.tenant, accepted, rejected, again };
        for batch in batches {
            let call = shaped(&batch, &mut self.random)?;
            let answer = self.until_answered(&call, &mut sent.again).await?;
            sent.note(batch, &answer)?;
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
        Ok(sent)
    }

    async fn until_answered(&self, call: &Call, again: &mut usize) -> Result<Answer, String> {
        for _ in 0..ATTEMPTS {
            let answer = match self.addresses.http() {
                Some(address) => call.send(address, self.tenant.key).await,
                None => None,
            };
            match answer {
                // Events that were stored before count as duplicates.
                Some(answer) if ![429, 503].contains(&answer.status) => return Ok(answer),
                _ => {
                    *again += 1;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        Err("the host stopped answering".to_owned())
    }
}

impl Sent {
    fn note(&mut self, batch: Vec<Drawn>, answer: &Answer) -> Result<(), String> {
        let verdicts = verdicts(answer, batch.len())?;
        for (event, accepted) in batch.into_iter().zip(verdicts) {
            if accepted != event.is_good {
                return Err(format!("answered accepted={accepted}: {}", event.json));
            }
            if accepted {
                self.accepted.insert(event.position.clone(), event);
            } else {
                self.rejected += 1;
            }
        }
        Ok(())
    }
}

/// For each event, whether it was accepted.
fn verdicts(answer: &Answer, events: usize) -> Result<Vec<bool>, String> {
    let odd = || format!("an answer of status {}: {}", answer.status, answer.text);
    let verdicts: Vec<bool> = match answer.status {
        202 => {
            let results = answer.json.get("results").and_then(Value::as_array).ok_or_else(odd)?;
            let status = |result: &Value| result.get("status") == Some(&json!("accepted"));
            results.iter().map(status).collect()
        }
        422 => vec![false; events],
        _ => return Err(odd()),
    };
    if verdicts.len() == events { Ok(verdicts) } else { Err(odd()) }
}

/// A batch as an array, a wrapper object or lines; plain, gzip or zstd.
fn shaped(batch: &[Drawn], random: &mut Rng) -> Result<Call, String> {
    let events: Vec<&Value> = batch.iter().map(|event| &event.json).collect();
    let (media_type, body) = match random.u8(..3) {
        0 => ("application/json", json!(events).to_string()),
        1 => ("application/json", json!({"events": events}).to_string()),
        _ => {
            let lines: Vec<String> = events.iter().map(|event| event.to_string()).collect();
            ("application/x-ndjson", lines.join("\n"))
        }
    };
    let mut headers = vec![("content-type", media_type.to_owned())];
    let body = match random.u8(..3) {
        0 => body.into_bytes(),
        1 => {
            headers.push(("content-encoding", "gzip".to_owned()));
            gzip(body.as_bytes()).map_err(|fault| fault.to_string())?
        }
        _ => {
            headers.push(("content-encoding", "zstd".to_owned()));
            zstd::encode_all(body.as_bytes(), 1).map_err(|fault| fault.to_string())?
        }
    };
    if random.bool() {
        headers.push(("idempotency-key", format!("k-{:x}", random.u128(..))));
    }
    let path = "/api/v1/events?contract=telemetry".to_owned();
    Ok(Call { method: "POST", path, headers, body })
}

fn gzip(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain)?;
    encoder.finish()
}
