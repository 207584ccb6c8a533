//! What happens to alerts, as the relay and people change them.

use super::*;

impl World {
    fn position(at: Timestamp) -> Position {
        Position { observed_at: at, sequence: 0, event_id: EventId::parse("e").unwrap() }
    }

    /// The alert opens, and its targets are to look at it.
    pub(in crate::tests) fn open(&mut self) {
        self.reopen();
        self.look();
    }

    pub(in crate::tests) fn reopen(&mut self) {
        let opened = Moment::of(&Self::position(self.now()));
        self.episode = Some(Episode {
            rule: Arc::from("hot"),
            version: 1,
            opened,
            closed: None,
            severity: Severity::Warning,
            value: None,
        });
        self.learn();
    }

    /// The alert opens by an event that comes two hours late.
    pub(in crate::tests) fn open_by_backlog(&mut self) {
        let position = Self::position(self.now().plus_seconds(-7_200));
        let episode = Episode {
            rule: Arc::from("hot"),
            version: 1,
            opened: Moment::of(&position),
            closed: None,
            severity: Severity::Warning,
            value: None,
        };
        let entry = Entry {
            position,
            id_origin: IdOrigin::Given,
            event_type: "t".into(),
            contract: "telemetry".into(),
            contract_version: 0,
            ingested_at: self.now(),
            payload: "{}".into(),
            placing: Placing::default(),
        };
        self.backlog.add([&Arc::new(entry)], std::slice::from_ref(&episode));
        self.episode = Some(episode);
        self.learn();
    }

    pub(in crate::tests) fn resolve(&mut self) {
        let now = self.now();
        if let Some(episode) = &mut self.episode {
            episode.closed.get_or_insert((Moment::time(now), Ending::Cleared));
        }
        self.learn();
    }

    pub(in crate::tests) fn continue_episode(&mut self) {
        if let Some(episode) = &mut self.episode {
            episode.closed = None;
        }
        self.learn();
    }

    pub(in crate::tests) fn raise(&mut self) {
        if let Some(episode) = &mut self.episode {
            episode.severity = Severity::Critical;
        }
        self.learn();
    }

    pub(in crate::tests) fn shift(&mut self) {
        if let Some(episode) = &mut self.episode {
            episode.opened = Moment::of(&Self::position(episode.opened.at.plus_seconds(-1)));
        }
        self.learn();
    }

    pub(in crate::tests) fn retract(&mut self) {
        self.episode = None;
        self.learn();
    }

    pub(in crate::tests) fn forget(&mut self) {
        self.memory.state().outputs.alerts.clear();
    }

    pub(in crate::tests) fn act(&mut self, act: Act) {
        let Some(alert) = self.alert() else { return };
        let remark = Remark { by: "ann".into(), at: self.now(), note: "".into() };
        let Ok(acted) = alert.acted(
            act,
            remark,
            self.reflected.map_or(CommitId::default(), |reflected| reflected.commit),
        ) else {
            return;
        };
        let write = AlertWrite { old: Some(alert), new: Some(acted) };
        self.write(&[write]);
    }

    /// What the relay does after a commit.
    fn learn(&mut self) {
        self.version += 1;
        let known = KnownEpisodes {
            from: None,
            last_at: Some(self.now()),
            episodes: self.episode.iter().cloned().collect(),
            seen_by: CommitId { era: 0, version: self.version },
            cause: Cause::History,
            backlog: self.backlog.clone(),
        };
        let inner: &Memory = &self.memory;
        let stored = inner.alerts(&Self::subject(), Timestamp::MIN).now_or_never();
        let SubjectAlerts { alerts, reflected } = stored.unwrap().unwrap().answer;
        self.reflected = reflected;
        let writes = known.reconcile(&Self::subject(), alerts, (&|_| false, self.now()));
        self.write(&writes);
    }

    fn write(&mut self, writes: &[AlertWrite]) {
        if writes.is_empty() {
            return;
        }
        let revision = self.reflected.map_or(0, |reflected| reflected.revision) + 1;
        let commit = CommitId { era: 0, version: self.version };
        let new = Reflected { commit, revision };
        let (subject, now) = (Self::subject(), self.now());
        let inner: &Memory = &self.memory;
        let written = inner.write_alerts(&subject, self.reflected, new, writes, now).now_or_never();
        assert!(written.unwrap().unwrap().answer);
        self.reflected = Some(new);
    }
}
