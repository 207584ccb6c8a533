//! Facts about ids, keys and positions.

use proptest::prelude::*;

use super::*;

fn position(micros: i64, sequence: u64, id: &str) -> Position {
    Position {
        observed_at: Timestamp::from_micros(micros).expect("in range"),
        sequence,
        event_id: EventId::parse(id).expect("an id"),
    }
}

fn a_position() -> impl Strategy<Value = Position> {
    let sequence = prop_oneof![0u64..3, any::<u64>()];
    (-2i64..2, sequence, "[!-~]{1,4}")
        .prop_map(|(micros, sequence, id)| position(micros, sequence, &id))
}

proptest! {
    #[test]
    fn a_key_leads_back_to_its_subject_and_never_to_another(
        one in "[#%/a2-5é\u{301} ]{1,8}", other in "[#%/a2-5é\u{301} ]{1,8}",
    ) {
        let kind = Kind::parse("device").expect("a kind");
        let subject = |id: &str| SubjectId::new(kind.clone(), id).expect("a subject");
        let (one, other) = (subject(&one), subject(&other));
        prop_assert_eq!(one == other, one.encoded() == other.encoded());
        prop_assert!(!one.encoded().contains(['#', '/']));
        prop_assert_eq!(SubjectId::decoded(kind.clone(), &one.encoded()), Some(one));
    }

    #[test]
    fn whatever_the_text_an_id_is_normal_or_refused(text in any::<String>()) {
        if let Ok(subject) = SubjectId::new(Kind::parse("device").expect("a kind"), &text) {
            prop_assert!(is_nfc(subject.id()));
            prop_assert_eq!(SubjectId::new(subject.kind().clone(), subject.id()), Ok(subject));
        }
    }

    #[test]
    fn positions_sort_like_their_bytes(left in a_position(), right in a_position()) {
        prop_assert_eq!(left.cmp(&right), left.to_bytes().cmp(&right.to_bytes()));
        prop_assert_eq!(Position::from_bytes(&left.to_bytes()), Some(left));
    }
}

#[test]
fn a_subject_id_may_contain_slashes_and_a_kind_may_not() {
    let subject = SubjectId::parse("device/site-1/pump:7").expect("a subject");
    assert_eq!((subject.kind().as_str(), subject.id()), ("device", "site-1/pump:7"));
    assert!(SubjectId::parse("Device/1").is_err());
    assert!(SubjectId::parse("device").is_err());
    assert!(SubjectId::parse("device/").is_err());
    assert!(SubjectId::parse("device/a\tb").is_err());
}

#[test]
fn a_subject_may_have_any_name_that_people_give() {
    for id in ["Living Room", "fc%1", "a,b;c'(d)?!*$", "Wohnzimmer/Lämpchen", "温度计", "#1", "🔥"]
    {
        let kind = Kind::parse("device").expect("a kind");
        let subject = SubjectId::new(kind.clone(), id).expect("a subject");
        assert_eq!(subject.id(), id);
        assert_eq!(SubjectId::decoded(kind, &subject.encoded()), Some(subject));
    }
}

#[test]
fn two_spellings_of_one_text_are_one_subject() {
    let subject = |id: &str| SubjectId::parse(&format!("device/{id}")).expect("a subject");
    assert_eq!(subject("Caf\u{e9}"), subject("Cafe\u{301}"));
    assert_ne!(subject("Café"), subject("Cafe"));
    let long = "e\u{301}".repeat(256);
    assert_eq!(subject(&long).id(), "é".repeat(256));
}

#[test]
fn a_rejection_names_the_character_and_the_alphabet() {
    let message = |text: &str| SubjectId::parse(text).expect_err("a rejection").message;
    assert_eq!(
        message("device/a\u{7}b"),
        "subject id has a character that is not allowed: '\\u{7}' (U+0007) at character 1 of \"a\\u{7}b\"; allowed: no control characters"
    );
    assert_eq!(
        message("Pump Station/1"),
        "kind has a character that is not allowed: 'P' (U+0050) at character 0 of \"Pump Station\"; allowed: a-z, 0-9, _ and -"
    );
    let long = message(&format!("device/{}", "x".repeat(513)));
    assert_eq!(
        long,
        format!("subject id is too long: \"{}…\" bytes=`513` limit=`512`", "x".repeat(40))
    );
}

#[test]
fn the_computed_size_of_a_partition_key_is_right() {
    let tenant = TenantId::parse("acme").expect("a tenant");
    let subject = SubjectId::parse("device/site-1/pump:7").expect("a subject");
    let key = SubjectKey::new(tenant, subject);
    assert_eq!(key.partition_key_size(), key.partition_key().len());
}

#[test]
fn ids_are_bounded() {
    assert!(TenantId::parse(&"a".repeat(64)).is_ok());
    assert!(TenantId::parse(&"a".repeat(65)).is_err());
    assert!(EventId::parse(&"!".repeat(256)).is_ok());
    assert!(EventId::parse(&"!".repeat(257)).is_err());
    assert!(EventId::parse("événement 1").is_ok());
    let subject = |id: String| SubjectId::parse(&format!("device/{id}"));
    assert!(subject("x".repeat(512)).is_ok());
    assert!(subject("x".repeat(513)).is_err());
    assert!(subject("%".repeat(300)).is_ok());
    assert!(subject("%".repeat(301)).is_err());
    assert!(EventId::parse("tab\there").is_err());
    assert!(EventId::parse("").is_err());
}
