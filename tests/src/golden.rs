//! The harness of the golden situations: plays the files of `events/` to their functions.

use drover_core::ports::Clock as _;
use serde_json::Value;

use crate::gateway::is_described;
use crate::processor::{Host, kafka};
use crate::situation::{Before, Player, Situation, Stored};

impl<P: Player> Situation<P> {
    /// A host with the documents of this situation, before any delivery.
    pub fn host(&self) -> Host {
        Host::new(self.given.now, &self.given.registry)
    }

    /// An environment after the deliveries that precede the situation.
    pub async fn prepared(&self) -> P {
        let player = P::with_auth(&self.host(), self.given.auth.as_ref());
        for (at, before) in self.given.before.iter().enumerate() {
            let event = match before {
                Before::Situation(name) => {
                    let Stored { event, given, .. } = Stored::read(P::BEFORE, name);
                    let listed = self.given.before.iter().take(at);
                    assert!(
                        given.before.iter().all(|one| listed.clone().any(|other| other == one))
                    );
                    player.host().memory().state().now = given.now;
                    event
                }
                Before::Records { topic, tenant, records } => {
                    kafka(topic, tenant, records, player.host().memory().now())
                }
            };
            assert!(player.deliver_before(&event).await, "{}: {before:?}", self.name);
            player.host().memory().state().now = self.given.now;
        }
        player
    }

    /// The result, and the environment that returned it. Afterwards no call fails.
    pub async fn play(&self) -> (P::Answer, P) {
        let player = self.prepared().await;
        player.fail_parts(&self.given.down);
        let answer = player.deliver(&self.event).await;
        player.fail_parts(&[]);
        (answer, player)
    }
}

/// Plays every situation of a function.
///
/// # Panics
/// A situation does not end as expected. All differences are shown at once, so that a change that affects
/// many expectations is visible as one.
pub async fn all_end_as_expected<P: Player>() {
    let mut differences = Vec::new();
    for one in Situation::<P>::all() {
        let (answer, player) = one.play().await;
        let difference = player.difference(answer, &one).await;
        differences.push((one.name, difference));
    }
    none_differ::<P>(differences);
}

/// Checks every response against the OpenAPI document of the function's routes. Returns how many responses
/// the document describes.
///
/// # Panics
/// A response differs from the document.
pub async fn described<P: Player>(document: &Value) -> usize {
    let mut described = 0;
    for one in Situation::<P>::all() {
        let (answer, _) = one.play().await;
        if let Some(answer) = P::http(&answer).filter(|_| one.http.is_some()) {
            described += usize::from(is_described(document, &one.event, &answer, &one.name));
        }
    }
    described
}

/// Reports all differences at once.
///
/// # Panics
/// There are differences.
pub fn none_differ<P: Player>(differences: impl IntoIterator<Item = (String, Option<String>)>) {
    let shown = differences.into_iter().filter_map(|(name, difference)| {
        Some(format!("events/{}/{name}.json\n{}", P::FOLDER, difference?))
    });
    let shown: Vec<String> = shown.collect();
    assert!(shown.is_empty(), "{}", shown.join("\n\n"));
}
