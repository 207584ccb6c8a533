//! The queue of notifications: messages come late, again and in any order.

use super::*;

impl World {
    pub(in crate::tests) fn look_of(&self, target: &str) -> Look {
        let alert = self.alert().map_or_else(|| self.known_id(), |alert| alert.id);
        Self::look_at(alert, target)
    }

    fn look_at(alert: AlertId, target: &str) -> Look {
        Look {
            tenant: "demo".to_owned(),
            subject: Some("device/d-1".to_owned()),
            alert,
            target: target.to_owned(),
            again: false,
            repeat: false,
            digest: false,
        }
    }

    /// The id of the alert that is gone: that of its records.
    fn known_id(&self) -> AlertId {
        let state = self.memory.state();
        let (_, id) = state.outputs.deliveries.keys().find(|(_, key)| key.len() == 32).unwrap();
        AlertId::parse(id).unwrap()
    }

    /// The relay has both targets look.
    pub(in crate::tests) fn look(&mut self) {
        let mut ids: Vec<AlertId> = self.alerts().into_iter().map(|alert| alert.id).collect();
        if ids.is_empty() && !self.memory.state().outputs.deliveries.is_empty() {
            ids.push(self.known_id());
        }
        for id in ids {
            for target in [OPS, "am"] {
                self.send(Self::look_at(id.clone(), target));
            }
        }
    }

    pub(in crate::tests) fn send(&mut self, look: Look) {
        let receipt = self.queue.len().to_string() + "-" + &self.received.to_string();
        self.received += 1;
        let visible_at = self.now();
        self.queue.push(Queued { receipt, body: look.body().unwrap(), visible_at });
    }

    pub(in crate::tests) fn simulate(&mut self, target: &str) -> AlertId {
        let simulated = Simulated::new(Severity::Info, "a test".to_owned(), "ann", (self.now(), 7));
        let (id, json) = (simulated.id.clone(), simulated.stored().unwrap());
        let inner: &Memory = &self.memory;
        let scope = self.scope();
        let put = inner.put_simulated(&scope, &id, &json, simulated.expires_at());
        put.now_or_never().unwrap().unwrap();
        let look = Look {
            tenant: "demo".to_owned(),
            subject: None,
            alert: id.clone(),
            target: target.to_owned(),
            again: false,
            repeat: false,
            digest: false,
        };
        self.send(look);
        id
    }

    /// Delivers the message at this place among those that are visible. `false`: none is.
    pub(in crate::tests) fn deliver(&mut self, at: usize) -> bool {
        let now = self.now();
        let visible: Vec<usize> =
            (0..self.queue.len()).filter(|index| self.queue[*index].visible_at <= now).collect();
        if visible.is_empty() {
            return false;
        }
        let index = visible[at % visible.len()];
        let message = &mut self.queue[index];
        message.visible_at = now.plus_seconds(90);
        let (receipt, body) = (message.receipt.clone(), message.body.clone());
        let failures = self.invoke(&receipt, &body).unwrap();
        if failures == 0 {
            self.queue.retain(|queued| queued.receipt != receipt);
        }
        let (looks, postponed) = {
            let outputs = &mut self.memory.state().outputs;
            (std::mem::take(&mut outputs.looks), std::mem::take(&mut outputs.postponed))
        };
        for (receipt, seconds) in postponed {
            let hidden = self.queue.iter_mut().filter(|queued| queued.receipt == receipt);
            hidden.for_each(|queued| queued.visible_at = now.plus_seconds(seconds.into()));
        }
        for (due, look) in looks {
            self.send(look);
            let last = self.queue.last_mut().unwrap();
            last.visible_at = due;
        }
        true
    }

    /// Delivers each message that is visible once.
    pub(in crate::tests) fn deliver_once(&mut self) {
        for _ in 0..self.queue.len() {
            self.deliver(0);
        }
    }

    /// Delivers messages for two days, or until the queue is empty.
    pub(in crate::tests) fn run(&mut self) {
        self.run_until(self.now().whole_seconds() + 2 * 24 * 3_600);
    }

    pub(in crate::tests) fn run_until(&mut self, end: i64) {
        for _ in 0..20_000 {
            if self.deliver(0) {
                continue;
            }
            let next = self.queue.iter().map(|queued| queued.visible_at).min();
            let Some(next) = next.filter(|next| *next <= second(end)) else { break };
            self.memory.state().now = next;
            // A target that forgets is told for ever.
            if self.is_quiet() {
                break;
            }
        }
    }

    /// Whether all that is left are repetitions for a target that forgets.
    fn is_quiet(&self) -> bool {
        let looks: Vec<Look> = self.queue.iter().filter_map(|one| Look::read(&one.body)).collect();
        let tries = self.targets.tries.lock().unwrap();
        let repeats = tries.get("am").map_or(0, Vec::len);
        looks.iter().all(|look| look.target == "am") && repeats > 40
    }

    fn invoke(&self, receipt: &str, body: &str) -> Result<usize, String> {
        let record = json!({
            "messageId": receipt, "receiptHandle": receipt, "body": body, "eventSource": "aws:sqs",
        });
        self.invoke_raw(&json!({ "Records": [record] }).to_string())
    }

    /// The messages in the queue.
    pub(in crate::tests) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Delivers a message for the first time, which has to wait; returns how many seconds.
    pub(in crate::tests) fn receive_first(&self, look: &Look) -> u32 {
        let record = json!({
            "messageId": "m", "receiptHandle": "m", "body": look.body().unwrap(),
            "eventSource": "aws:sqs", "attributes": { "ApproximateReceiveCount": "1" },
        });
        assert_eq!(self.invoke_raw(&json!({ "Records": [record] }).to_string()), Ok(1));
        self.memory.state().outputs.postponed.pop().unwrap().1
    }

    /// Delivers messages about simulated alerts to a target that hangs. Returns the number of tries.
    pub(in crate::tests) fn invoke_while_hanging(&self, count: u64) -> usize {
        self.answers(OPS, &vec![Answer::Hangs; 200]);
        let mut records = Vec::new();
        for number in 0..count {
            let when = (self.now(), number);
            let simulated = Simulated::new(Severity::Info, "a test".to_owned(), "ann", when);
            let (id, json) = (simulated.id.clone(), simulated.stored().unwrap());
            let (inner, scope): (&Memory, _) = (&self.memory, self.scope());
            let put = inner.put_simulated(&scope, &id, &json, simulated.expires_at());
            put.now_or_never().unwrap().unwrap();
            let look = Look { subject: None, ..Self::look_at(id, OPS) };
            records.push(json!({
                "messageId": number.to_string(), "receiptHandle": number.to_string(),
                "body": look.body().unwrap(), "eventSource": "aws:sqs",
            }));
        }
        let event = json!({ "Records": records }).to_string();
        let event = serde_json::value::RawValue::from_string(event).unwrap();
        let answered = self.notify.handle(LambdaEvent::new(event, Context::default()));
        assert!(answered.now_or_never().is_none(), "the batch waits for the tries");
        self.all(OPS).len()
    }

    pub(in crate::tests) fn invoke_with(&self, body: &str) -> Result<usize, String> {
        self.invoke("r", body)
    }

    /// The number of messages that have to come again.
    pub(in crate::tests) fn invoke_raw(&self, event: &str) -> Result<usize, String> {
        let event = serde_json::value::RawValue::from_string(event.to_owned()).unwrap();
        let answered = self.notify.handle(LambdaEvent::new(event, Context::default()));
        let response = answered.now_or_never().unwrap().map_err(|failed| failed.to_string())?;
        let response: Value = serde_json::from_str(response.get()).unwrap();
        Ok(response["batchItemFailures"].as_array().unwrap().len())
    }
}
