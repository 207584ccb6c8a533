//! The harness of the golden situations: plays the files of `events/` to the function that they are for,
//! whichever that is. A [`Player`] is one warm environment of a function over the ports of a [`Host`].

#![expect(async_fn_in_trait, reason = "no test hands a player to another thread")]

use drover_core::memory::Fault;
use drover_core::ports::Clock as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::gateway::{Answer, is_described};
use crate::processor::Host;
use crate::query::kafka;
use crate::situation::{Auth, Before, Down, Situation, Stored};

/// One warm environment of a function, to which situations are played.
pub trait Player: Sized {
    /// The folder of `events/` that has its situations.
    const FOLDER: &'static str;
    /// The folder that has those which come before.
    const BEFORE: &'static str = Self::FOLDER;
    /// What a situation expects besides the answer to an HTTP request.
    type Expectation: DeserializeOwned;
    /// What an invocation comes back with.
    type Answer;

    /// An environment over the ports of a host.
    fn with_auth(host: &Host, auth: Option<&Auth>) -> Self;

    /// The host.
    fn host(&self) -> &Host;

    /// One invocation with the JSON that Lambda would send.
    async fn deliver(&self, event: &str) -> Self::Answer;

    /// Delivers an event that comes before, and says whether it was handled.
    async fn deliver_before(&self, event: &str) -> bool;

    /// The answer as API Gateway gets it, where it is one to an HTTP request.
    fn http(answer: &Self::Answer) -> Option<Answer>;

    /// How what came back, and what is in the ports, differ from what is expected; `None`: not at all.
    async fn difference(&self, answer: Self::Answer, one: &Situation<Self>) -> Option<String>;

    /// From now on, these parts do not answer.
    fn fail_parts(&self, down: &[Down]) {
        let down = down.to_vec();
        self.host().memory().fail(move |call| {
            if down.iter().any(|down| down.fails(call)) { Fault::Refused } else { Fault::None }
        });
    }
}

impl<P: Player> Situation<P> {
    /// A host with the documents of this situation, to which nothing was delivered.
    pub fn host(&self) -> Host {
        Host::new(self.given.now, &self.given.registry)
    }

    /// An environment to which everything was delivered that comes before.
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

    /// What came back, and the environment that gave it. Everything answers again afterwards.
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
/// Some do not end as expected: all of these are shown, so that a change which moves many expectations is
/// seen as one.
pub async fn all_end_as_expected<P: Player>() {
    let mut differences = Vec::new();
    for one in Situation::<P>::all() {
        let (answer, player) = one.play().await;
        let difference = player.difference(answer, &one).await;
        differences.push((one.name, difference));
    }
    none_differ::<P>(differences);
}

/// Holds every answer to a request against the OpenAPI document of the function's routes, and gives how
/// many it describes.
///
/// # Panics
/// It describes another answer.
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

/// Shows all at once.
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
