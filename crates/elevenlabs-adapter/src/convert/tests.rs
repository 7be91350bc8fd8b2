use std::sync::Arc;

use partyline_domain::ports::DialRequest;
use partyline_domain::{
    CallOptions, Decimal, Overrides, PhoneNumber, RingingTimeout, UserId, VariableName, VariableValue,
};
use serde_json::json;

use super::*;

fn agent_id(id: &str) -> AgentId {
    AgentId::parse(id).expect("an id")
}

fn number_from(value: &Value) -> Result<Number, Unusable> {
    number(serde_json::from_value(value.clone()).expect("an object"))
}

const TWILIO: &str = include_str!("fixtures/number_twilio.json");
const SIP_TRUNK: &str = include_str!("fixtures/number_sip_trunk.json");
const EXOTEL: &str = include_str!("fixtures/number_exotel.json");
const CONVERSATION_SIP: &str = include_str!("fixtures/conversation_sip.json");
const CONVERSATION_FAILED: &str = include_str!("fixtures/conversation_failed.json");

#[test]
fn numbers_of_every_provider_are_read() {
    let read = |text: &str| parsed(text.as_bytes()).and_then(number).expect("a number");
    let twilio = read(TWILIO);
    assert_eq!((twilio.id.as_str(), twilio.caller_id.expose()), ("phnum_8201k60jr2awf84srfjy6jbnfhtr", "+12025550100"));
    assert_eq!((twilio.provider.clone(), twilio.inbound, twilio.outbound), (NumberProvider::Twilio, false, true));
    assert_eq!(twilio.assigned, None);
    let sip = read(SIP_TRUNK);
    assert_eq!((sip.provider.clone(), sip.inbound, sip.outbound), (NumberProvider::SipTrunk, true, true));
    let assigned = AssignedAgent { id: agent_id("F8y2pogcIfbxE7O2u4H8"), name: "Hotel".to_owned() };
    assert_eq!(sip.assigned, Some(assigned));
    let exotel = read(EXOTEL);
    assert_eq!((exotel.provider.clone(), exotel.label.as_str()), (NumberProvider::Exotel, ""));
}

#[test]
fn a_number_needs_its_id_and_no_more() {
    let bare = number_from(&json!({"phone_number_id": "p"})).expect("a number");
    assert_eq!(bare.provider, NumberProvider::Other("unknown".to_owned()));
    assert_eq!((bare.caller_id.expose(), bare.label.as_str(), bare.assigned), ("", "", None));
    assert!(bare.inbound && bare.outbound);
    let odd = json!({"phone_number_id": "p", "phone_number": null, "label": 7, "provider": "carrier_pigeon",
        "supports_inbound": null, "supports_outbound": "yes", "livekit_stack": {"new": []}, "unknown": 1});
    let odd = number_from(&odd).expect("a number");
    assert_eq!(odd.provider, NumberProvider::Other("carrier_pigeon".to_owned()));
    assert!(odd.inbound && odd.outbound);
    for id in [json!(null), json!(7), json!(""), json!("a b")] {
        assert!(number_from(&json!({"phone_number_id": id})).is_err(), "{id}");
    }
}

#[test]
fn an_assigned_agent_that_cannot_be_read_is_not_nobody() {
    let with = |agent: Value| number_from(&json!({"phone_number_id": "p", "assigned_agent": agent}));
    for nobody in [json!(null), json!({"agent_id": null, "agent_name": "x"}), json!({"agent_id": ""})] {
        assert_eq!(with(nobody.clone()).map(|number| number.assigned), Ok(None), "{nobody}");
    }
    for unreadable in [
        json!({}),
        json!({"id": "agent_x"}),
        json!({"agent_name": "x"}),
        json!({"agent_id": 7}),
        json!({"agent_id": false}),
        json!({"agent_id": {"id": "agent_x"}}),
        json!({"agent_id": "a b"}),
        json!("agent_1"),
        json!(""),
        json!(7),
        json!(false),
        json!([]),
        json!([1]),
        json!(["agent_1"]),
    ] {
        assert!(with(unreadable.clone()).is_err(), "{unreadable}");
    }
    let nameless = with(json!({"agent_id": "a", "agent_name": null, "environment": "x"})).expect("a number");
    assert_eq!(nameless.assigned, Some(AssignedAgent { id: agent_id("a"), name: String::new() }));
}

#[test]
fn lists_of_numbers_lose_only_what_cannot_be_read() {
    for text in [
        r#"[{"phone_number_id":"a"},{"label":"no id"},null,"x",{"phone_number_id":"b"}]"#,
        r#"{"phone_numbers":[{"phone_number_id":"a"},{"phone_number_id":"b"}],"new":1}"#,
    ] {
        let list = numbers(parsed(text.as_bytes()).expect("a list"));
        assert_eq!(list.iter().map(|number| number.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }
    assert!(parsed::<wire::Numbers>(b"{}").is_err());
    assert!(parsed::<wire::Numbers>(b"null").is_err());
}

#[test]
fn a_page_goes_on_only_with_more_and_a_cursor() {
    let next = |has_more: Value, cursor: Value, asked: Option<&str>| {
        let list = serde_json::from_value(json!({"agents": [], "has_more": has_more, "next_cursor": cursor}));
        page("agent", list.expect("a page"), asked, agent).map(|page| page.next)
    };
    assert_eq!(next(json!(true), json!("c"), None), Ok(Some("c".to_owned())));
    assert_eq!(next(json!(null), json!("c"), None), Ok(Some("c".to_owned())));
    assert_eq!(next(json!(false), json!("c"), None), Ok(None));
    assert_eq!(next(json!(false), json!(7), None), Ok(None));
    assert_eq!(next(json!(null), json!(null), None), Ok(None));
    assert_eq!(next(json!(null), json!(""), Some("c")), Ok(None));
    for cursor in [json!(null), json!(""), json!(7), json!({"c": 1})] {
        let told = next(json!(true), cursor.clone(), None).map_err(|why| why.to_string());
        assert_eq!(told, Err("the list goes on but names no next page".to_owned()), "{cursor}");
    }
    assert!(next(json!(null), json!(7), None).is_err());
    let bare = |list: Value| page("agent", serde_json::from_value(list).expect("a page"), None, agent);
    assert!(bare(json!({"agents": [], "has_more": true})).is_err());
    assert_eq!(bare(json!({"agents": []})).map(|page| page.next), Ok(None));
    assert!(next(json!(true), json!("c"), Some("c")).is_err());
}

#[test]
fn a_summary_is_known_unknown_or_unclear() {
    let known = json!({"status": "success", "data": {"agent_id": "a", "name": "A", "access_info": {"role": "new"}}});
    let profile = AgentProfile { id: agent_id("a"), name: "A".to_owned(), archived: false };
    assert_eq!(summary(&agent_id("a"), Some(&known)), Summary::Known(profile));
    assert_eq!(summary(&agent_id("b"), Some(&known)), Summary::Unclear);
    for unknown in [
        json!({"status": "failure", "error_code": 404}),
        json!({"status": "failure", "error_code": null, "error_status": "document_not_found"}),
        json!({"status": "failure", "error_status": "not_found", "data": null}),
    ] {
        assert_eq!(summary(&agent_id("a"), Some(&unknown)), Summary::Unknown, "{unknown}");
    }
    for unclear in [json!(null), json!({}), json!({"status": "failure", "error_code": 403}), json!({"error_code": 404})]
    {
        assert_eq!(summary(&agent_id("a"), Some(&unclear)), Summary::Unclear, "{unclear}");
    }
    assert_eq!(summary(&agent_id("a"), None), Summary::Unclear);
}

#[test]
fn a_conversation_tells_whose_it_is() {
    let read = |text: &str| parsed(text.as_bytes()).and_then(conversation).expect("a conversation");
    let sip = read(CONVERSATION_SIP);
    assert_eq!((sip.id.as_str(), sip.agent.as_str()), ("conv_0401m4hhqxqtfrjrvg0fjwy9ks03", "agent_restaurant"));
    assert_eq!((sip.status, sip.user_id.as_deref()), (ConversationStatus::InProgress, Some("customer 7")));
    assert_eq!(sip.attempt.as_ref().map(AttemptId::as_str), Some("call-1.1"));
    let call = sip.phone_call.expect("a phone call");
    assert_eq!(call.number.as_ref().map(PhoneNumberId::as_str), Some("phnum_main"));
    assert_eq!(call.external_number.as_ref().map(CallerId::expose), Some("+12025550123"));
    assert_eq!(call.provider_call_id.as_ref().map(ProviderCallId::as_str), Some("SCL_aBcDeFgHiJkL"));
    assert_eq!(sip.error, None);
    let failed = read(CONVERSATION_FAILED);
    assert_eq!((failed.status, failed.attempt, failed.user_id), (ConversationStatus::Failed, None, None));
    assert_eq!(failed.phone_call.map(|call| call.provider_call_id), Some(None));
    assert_eq!(failed.error.as_deref(), Some("INVITE failed: +1***0123: sip status: 404 (SIP 404)"));
}

#[test]
fn a_conversation_needs_its_ids_and_no_more() {
    let read = |value: Value| conversation(serde_json::from_value(value).expect("an object"));
    let bare = read(json!({"conversation_id": "c", "agent_id": "a"})).expect("a conversation");
    assert_eq!(bare.status, ConversationStatus::Other("unknown".to_owned()));
    assert_eq!((bare.user_id, bare.attempt, bare.phone_call, bare.error), (None, None, None, None));
    let odd = json!({"conversation_id": "c", "agent_id": "a", "status": "napping", "user_id": 7, "metadata": [],
        "conversation_initiation_client_data": {"dynamic_variables": {"partyline_attempt_id": 7, "x": null}}});
    let odd = read(odd).expect("a conversation");
    assert_eq!((odd.status, odd.attempt), (ConversationStatus::Other("napping".to_owned()), None));
    assert!(read(json!({"conversation_id": "c"})).is_err());
    assert!(read(json!({"agent_id": "a"})).is_err());
}

#[test]
fn a_failure_has_the_best_words_there_are() {
    let told = |status: &str, metadata: Value| {
        let value = json!({"conversation_id": "c", "agent_id": "a", "status": status, "metadata": metadata});
        conversation(serde_json::from_value(value).expect("an object")).expect("a conversation").error
    };
    let ended = "Client disconnected: 1000";
    assert_eq!(told("done", json!({"error": null, "termination_reason": ended})), None);
    assert_eq!(told("failed", json!({"error": null, "termination_reason": ended})).as_deref(), Some(ended));
    assert_eq!(told("failed", json!({"error": {"code": 1011, "reason": null}})).as_deref(), Some("error 1011"));
    let typed = json!({"error": {"code": 1011, "reason": null, "error_type": "no_answer"}});
    assert_eq!(told("failed", typed).as_deref(), Some("no_answer"));
    assert_eq!(told("failed", json!({"error": "broken"})).as_deref(), Some("broken"));
    assert_eq!(told("failed", json!({})), None);
}

#[test]
fn every_status_is_read() {
    for (word, expected, over) in [
        ("initiated", ConversationStatus::Initiated, false),
        ("in-progress", ConversationStatus::InProgress, false),
        ("in_progress", ConversationStatus::InProgress, false),
        ("processing", ConversationStatus::Processing, false),
        ("done", ConversationStatus::Done, true),
        ("failed", ConversationStatus::Failed, true),
        ("ringing", ConversationStatus::Other("ringing".to_owned()), false),
    ] {
        let read = status(Some(word));
        assert_eq!((read.is_over(), read), (over, expected));
    }
}

fn dial_request(provider: NumberProvider, options: CallOptions) -> DialRequest {
    DialRequest {
        attempt: AttemptId::parse("call-1.2").expect("an id"),
        agent: agent_id("agent_1"),
        number: PhoneNumberId::parse("phnum_1").expect("an id"),
        provider,
        to: PhoneNumber::parse("+12025550123").expect("a number"),
        options: Arc::new(options),
        not_after: partyline_domain::Instant::default(),
    }
}

fn body(request: &DialRequest) -> String {
    String::from_utf8(dial_body(request).expect("a body").to_vec()).expect("text")
}

#[test]
fn a_dial_says_everything_that_is_set() {
    let name = |text: &str| VariableName::parse(text).expect("a name");
    let number = |text: &str| VariableValue::Number(Decimal::parse(text).expect("a number"));
    let options = CallOptions {
        overrides: Overrides {
            language: Some("de".to_owned()),
            first_message: Some("Hallo \"Welt\"".to_owned()),
            prompt: Some("p".to_owned()),
            voice: Some("v".to_owned()),
        },
        variables: BTreeMap::from([
            (name("text"), VariableValue::Text("7".to_owned())),
            (name("exact"), number("0.10")),
            (name("large"), number("123456789012345678901234567890")),
            (name("flag"), VariableValue::Bool(true)),
        ]),
        user_id: Some(UserId::parse("customer 7").expect("a user id")),
        ringing_timeout: RingingTimeout::from_seconds(45).expect("in bounds"),
        recording: Some(false),
    };
    assert_eq!(
        body(&dial_request(NumberProvider::Twilio, options)),
        concat!(
            r#"{"agent_id":"agent_1","agent_phone_number_id":"phnum_1","to_number":"+12025550123","#,
            r#""conversation_initiation_client_data":{"user_id":"customer 7","#,
            r#""dynamic_variables":{"exact":0.10,"flag":true,"large":123456789012345678901234567890,"#,
            r#""partyline_attempt_id":"call-1.2","text":"7"},"#,
            r#""conversation_config_override":{"agent":{"language":"de","first_message":"Hallo \"Welt\"","#,
            r#""prompt":{"prompt":"p"}},"tts":{"voice_id":"v"}}},"#,
            r#""telephony_call_config":{"ringing_timeout_secs":45,"twilio_call_recording_enabled":false},"#,
            r#""call_recording_enabled":false}"#
        )
    );
}

#[test]
fn what_is_not_set_is_not_sent() {
    let voice = Overrides { voice: Some("v".to_owned()), ..Overrides::default() };
    for provider in [NumberProvider::SipTrunk, NumberProvider::Exotel] {
        let options = CallOptions { overrides: voice.clone(), recording: Some(true), ..CallOptions::default() };
        let body = body(&dial_request(provider, options));
        assert!(body.contains(r#""conversation_config_override":{"tts":{"voice_id":"v"}}"#), "{body}");
        assert!(!body.contains("recording") && !body.contains("null"), "{body}");
        assert!(body.contains(r#""user_id":"call-1.2""#), "{body}");
    }
    let plain = body(&dial_request(NumberProvider::Twilio, CallOptions::default()));
    assert!(!plain.contains("override") && !plain.contains("recording"), "{plain}");
}
