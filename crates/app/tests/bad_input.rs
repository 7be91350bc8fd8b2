//! Whatever is wrong with the input: a clear message, the documented exit code, and nothing changed.

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use common::{CALLEE, KEY, Place, Provider};
use partyline_domain::ports::NumberProvider;
use partyline_fake_adapter::WorldConfig;
use partyline_fake_adapter::world::{AgentSpec, NumberSpec};
use serde_json::json;

fn untouched(provider: &Provider) {
    assert_eq!(provider.dials(), 0, "nobody was called");
    assert_eq!(provider.assigned(0), None, "nothing was assigned");
}

#[test]
fn no_key() {
    let ran = shows!("no_key", Place::empty().run(&["call", "restaurant", "--to", CALLEE]));
    assert_eq!(ran.code, 2);
    let ran = shows!("no_key_json", Place::empty().run(&["call", "restaurant", "--to", CALLEE, "--json"]));
    assert_eq!(ran.json()["dialed"], json!("no"));
    for command in ["agents", "numbers"] {
        assert_eq!(Place::empty().run(&[command]).code, 2, "{command}");
    }
}

#[test]
fn an_unusable_key() {
    let place = Place::empty().env("ELEVENLABS_API_KEY", "test-key with blanks");
    assert_eq!(shows!("unusable_key", place.run(&["call", "restaurant", "--to", CALLEE])).code, 2);
}

#[test]
fn a_wrong_key() {
    let provider = Provider::with_faults(&[]);
    let place = Place::with(&provider).env("ELEVENLABS_API_KEY", "test-key-wrong");
    assert_eq!(shows!("wrong_key", place.run(&["call", "restaurant", "--to", CALLEE])).code, 7);
    untouched(&provider);
}

#[test]
fn a_key_without_permission() {
    let provider = Provider::with_faults(&["any:401-permission:*"]);
    let ran = shows!("missing_permission", Place::with(&provider).run(&["call", "restaurant", "--to", CALLEE]));
    assert_eq!(ran.code, 7);
    untouched(&provider);
}

#[test]
fn an_unknown_agent_lists_what_there_is() {
    let provider = Provider::with_faults(&[]);
    let place = Place::with(&provider);
    assert_eq!(shows!("unknown_agent", place.run(&["call", "resturant", "--to", CALLEE])).code, 3);
    let ran = shows!("unknown_agent_log", place.run(&["call", "x", "--to", CALLEE, "--log-format", "json"]));
    assert_eq!(ran.events(), ["call_attempt", "call_failed"]);
    untouched(&provider);
}

#[test]
fn an_alias_of_a_deleted_agent() {
    let provider = Provider::with_faults(&[]);
    let place = Place::with(&provider);
    let hotel = provider.agent(1);
    provider.world().lock().delete_agent(&hotel, partyline_domain::Now::default()).expect("it exists");
    assert_eq!(shows!("stale_alias", place.run(&["call", "hotel", "--to", CALLEE])).code, 3);
    untouched(&provider);
}

#[test]
fn an_archived_agent() {
    let provider = Provider::with_faults(&[]);
    let place = Place::with(&provider);
    let hotel = provider.agent(1);
    provider.world().lock().archive(&hotel, true, partyline_domain::Now::default()).expect("it exists");
    assert_eq!(shows!("archived_agent", place.run(&["call", "hotel", "--to", CALLEE])).code, 3);
    untouched(&provider);
}

#[test]
fn several_agents_of_one_name() {
    let mut config = WorldConfig::sandbox();
    config.agents = vec![AgentSpec::named("Reception"), AgentSpec::named("reception"), AgentSpec::named("Bar")];
    let provider = Provider::of(config);
    let ran = shows!("ambiguous_agent", Place::with(&provider).run(&["call", "Reception", "--to", CALLEE]));
    assert_eq!(ran.code, 2);
    untouched(&provider);
}

#[test]
fn many_agents_are_listed_up_to_a_hundred() {
    let mut config = WorldConfig::sandbox();
    config.agents = (0..130).map(|index| AgentSpec::named(format!("Desk {index:03}"))).collect();
    let provider = Provider::of(config);
    let ran = Place::without_file(&provider).run(&["call", "desk 07", "--to", CALLEE]);
    assert_eq!(ran.code, 3);
    assert_eq!(ran.stderr.lines().filter(|line| line.contains("  Desk ")).count(), 100);
    assert!(ran.stderr.contains("and 30 more"), "{}", ran.stderr);
    let ran = Place::without_file(&provider).run(&["call", "desk 117", "--to", CALLEE, "--json"]);
    assert_eq!(ran.json()["agent"]["name"], json!("Desk 117"), "found on the second page");
}

#[test]
fn no_number_and_several_numbers() {
    let none = Provider::of(WorldConfig::of(3, 0, &NumberProvider::Twilio));
    assert_eq!(shows!("no_number", Place::without_file(&none).run(&["call", "Hotel", "--to", CALLEE])).code, 2);
    let two = Provider::with_numbers(2, &NumberProvider::Twilio);
    assert_eq!(shows!("several_numbers", Place::without_file(&two).run(&["call", "Hotel", "--to", CALLEE])).code, 2);
    let place = Place::with(&two);
    let more = format!("{}[numbers.second]\nid = \"{}\"\n", two.settings_file(), two.number(1));
    place.write("partyline.toml", &more);
    untouched(&two);
    let ran = place.run(&["call", "hotel", "--to", CALLEE, "--number", "+1 202-555-0101", "--json"]);
    assert_eq!(ran.json()["number"]["phone_number"], json!("+12025550101"));
    let ran = place.run(&["call", "hotel", "--to", CALLEE, "--number", "second", "--json"]);
    assert_eq!(ran.json()["number"]["phone_number"], json!("+12025550101"));
}

#[test]
fn any_configured_number_may_be_used() {
    let provider = Provider::with_numbers(2, &NumberProvider::Twilio);
    let place = Place::with(&provider);
    let second = format!("[numbers.second]\nid = \"{}\"\n", provider.number(1));
    place.write("partyline.toml", &format!("{}{second}", provider.settings_file()));
    // The one that has the agent needs no assignment, so the call goes there.
    provider.reassign(0, Some(0));
    provider.reassign(1, Some(1));
    for more in [&["--json"][..], &["--json", "--dry-run"]] {
        let ran = place.run(&[&["call", "hotel", "--to", CALLEE][..], more].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let object = ran.json();
        assert_eq!(
            (&object["number"]["phone_number"], &object["assignment"]),
            (&json!("+12025550101"), &json!("already"))
        );
    }
    let ran = place.run(&["call", "Hair Salon", "--to", CALLEE, "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    place.write("partyline.toml", &format!("{}{second}after_call = \"restore\"\n", provider.settings_file()));
    let ran = shows!("numbers_differ", place.run(&["call", "hotel", "--to", CALLEE]));
    assert_eq!((ran.code, provider.dials()), (2, 2));
}

#[test]
fn unknown_numbers() {
    let provider = Provider::with_faults(&[]);
    let place = Place::with(&provider);
    let call = |number| place.run(&["call", "hotel", "--to", CALLEE, "--number", number]);
    assert_eq!(shows!("unknown_number_id", call("phnum_gone")).code, 4);
    assert_eq!(shows!("unknown_number_spelled", call("+1 202 555 0177")).code, 4);
    assert_eq!(shows!("unusable_number", call("+1 202 555 01x7")).code, 2);
    untouched(&provider);
}

#[test]
fn a_number_of_an_unknown_kind() {
    let provider = Provider::with_numbers(1, &NumberProvider::Other("carrier_pigeon".to_owned()));
    assert_eq!(shows!("unknown_kind", Place::with(&provider).run(&["call", "hotel", "--to", CALLEE])).code, 4);
    assert_eq!(
        shows!("unknown_kind_only", Place::without_file(&provider).run(&["call", "Hotel", "--to", CALLEE])).code,
        2
    );
    untouched(&provider);
}

#[test]
fn bad_phone_numbers() {
    let place = Place::empty();
    for (name, number) in [
        ("bad_to_national", "202 555 0147"),
        ("bad_to_letter", "+1 202 555 O147"),
        ("bad_to_short", "+12025"),
        ("bad_to_trunk", "+1 (0) 202 555 0147"),
    ] {
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let ran = place.run(&["call", "restaurant", "--to", number]);
        assert_eq!(ran.code, 2);
        settings.bind(|| insta::assert_snapshot!(name, ran.shown()));
    }
}

#[test]
fn a_phone_number_in_the_wrong_place_is_not_repeated() {
    let ran = shows!("misplaced_number", Place::empty().run(&["call", "restaurant", "+12025550147"]));
    assert_eq!(ran.code, 2);
    let provider = Provider::with_faults(&[]);
    let ran = shows!("number_as_agent", Place::with(&provider).run(&["call", "+12025550147", "--to", CALLEE]));
    assert_eq!(ran.code, 3);
}

#[test]
fn bad_variables_and_overrides() {
    let place = Place::empty();
    let call = |more: &[&str]| place.run(&[&["call", "restaurant", "--to", CALLEE][..], more].concat());
    assert_eq!(shows!("bad_variable", call(&["--var", "table:number=four"])).code, 2);
    assert_eq!(shows!("bad_variable_name", call(&["--var", "system__time=now"])).code, 2);
    assert_eq!(shows!("bad_variable_twice", call(&["--var", "a=1", "--var", "a=2"])).code, 2);
    assert_eq!(shows!("bad_override", call(&["--override", "langage=en"])).code, 2);
    assert_eq!(shows!("bad_duration", call(&["--lookup-window", "soon"])).code, 2);
    assert_eq!(shows!("bad_ringing", call(&["--ringing-timeout", "1000"])).code, 2);
    assert_eq!(shows!("bad_word", call(&["--proof", "maybe"])).code, 2);
}

#[test]
fn a_bad_settings_file() {
    let place = Place::empty().env("ELEVENLABS_API_KEY", KEY);
    place.write("partyline.toml", "[agents]\nrestaurant = \"agent_r\"\nhotel = agent_h\n");
    assert_eq!(shows!("bad_toml", place.run(&["call", "restaurant", "--to", CALLEE])).code, 2);
    place.write("partyline.toml", "[agents]\nrestaurant = \"agent_r\"\n\n[cal]\nproof = \"off\"\n");
    assert_eq!(shows!("unknown_table", place.run(&["agents"])).code, 2);
    place.write("partyline.toml", &format!("[provider]\napi_key = \"{KEY}\"\n"));
    assert_eq!(shows!("key_in_file", place.run(&["call", "restaurant", "--to", CALLEE, "--json"])).code, 2);
    assert_eq!(shows!("no_such_file", place.run(&["agents", "--config", "elsewhere.toml"])).code, 2);
}

#[test]
fn the_file_is_found_in_its_three_places() {
    let provider = Provider::with_faults(&[]);
    let place = Place::without_file(&provider);
    let hotel_as = |alias: &str| format!("[agents]\n{alias} = \"{}\"\n", provider.agent(1));
    place.write("home/config/partyline/config.toml", &hotel_as("from_xdg"));
    assert_eq!(place.run(&["call", "from_xdg", "--to", CALLEE]).code, 0);
    place.write("partyline.toml", &hotel_as("from_here"));
    assert_eq!(place.run(&["call", "from_here", "--to", CALLEE]).code, 0);
    assert_eq!(place.run(&["call", "from_xdg", "--to", CALLEE]).code, 3);
    place.write("other.toml", &hotel_as("from_flag"));
    assert_eq!(place.run(&["call", "from_flag", "--to", CALLEE, "--config", "other.toml"]).code, 0);
}

#[test]
fn an_unreachable_host() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let place = Place::empty().env("ELEVENLABS_API_KEY", KEY).env("ELEVENLABS_BASE_URL", &format!("http://{free}"));
    let ran = shows!("unreachable", place.run(&["call", "agent_r", "--number", "phnum_1", "--to", CALLEE, "--json"]));
    assert_eq!(ran.code, 3);
    assert_eq!(ran.json()["dialed"], json!("no"));
}

#[test]
fn a_host_that_talks_nonsense() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    // Ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 4096]);
            let page = "<html><body>It works!</body></html>";
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                page.len()
            );
        }
    });
    let place = Place::empty().env("ELEVENLABS_API_KEY", KEY).env("ELEVENLABS_BASE_URL", &format!("http://{address}"));
    place.write("partyline.toml", "[agents]\nrestaurant = \"agent_r\"\n[numbers.main]\nid = \"phnum_1\"\n");
    let ran = shows!("nonsense", place.run(&["call", "restaurant", "--to", CALLEE]));
    assert_eq!(ran.code, 3);
}

#[test]
fn bad_base_urls() {
    let place = Place::empty().env("ELEVENLABS_API_KEY", KEY);
    assert_eq!(shows!("bad_base_url", place.run(&["agents", "--base-url", "api.elevenlabs.io"])).code, 2);
    assert_eq!(shows!("insecure_base_url", place.run(&["agents", "--base-url", "http://proxy.invalid"])).code, 2);
}

#[test]
fn an_outbound_only_number_is_used_without_assignment() {
    let mut config = WorldConfig::sandbox();
    let number = NumberSpec::fictional(0, NumberProvider::Twilio).expect("the first");
    config.numbers = vec![NumberSpec { inbound: false, ..number }];
    let provider = Provider::of(config);
    let ran = shows!("outbound_only", Place::with(&provider).run(&["call", "hotel", "--to", CALLEE]));
    assert_eq!(ran.code, 0);
    assert_eq!(provider.assigned(0), None);
}

#[test]
fn a_host_that_speaks_something_else() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    // Ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.write_all(b"220 mail.invalid ESMTP\r\n");
            let _ = stream.read(&mut [0; 4096]);
        }
    });
    let place = Place::empty().env("ELEVENLABS_API_KEY", KEY);
    for (scheme, hint) in [("http", "check the base URL"), ("https", "does it speak TLS")] {
        let ran = place.run(&["agents", "--base-url", &format!("{scheme}://{address}")]);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        let told = ran.stderr.contains("this host does not answer like the provider") && ran.stderr.contains(hint);
        assert!(told, "{}", ran.stderr);
    }
}

#[test]
fn waits_without_end_are_refused() {
    let provider = Provider::with_faults(&[]);
    let place = Place::with(&provider);
    for (flag, variable, long) in
        [("--settle", "PARTYLINE_SETTLE", "11m"), ("--lookup-window", "PARTYLINE_LOOKUP_WINDOW", "61m")]
    {
        let ran = place.run(&["call", "hotel", "--to", CALLEE, flag, long]);
        assert!(ran.code == 2 && ran.stderr.contains("expected at most"), "{}", ran.stderr);
        let place = Place::with(&provider).env(variable, long);
        assert_eq!(place.run(&["call", "hotel", "--to", CALLEE]).code, 2, "{variable}");
        let key = flag.trim_start_matches("--").replace('-', "_");
        place.write("partyline.toml", &format!("[call]\n{key} = \"{long}\"\n"));
        assert_eq!(place.run(&["agents"]).code, 2, "{key}");
    }
    untouched(&provider);
    let ran = place.run(&["call", "hotel", "--to", CALLEE, "--settle", "1ms"]);
    assert!(ran.stderr.contains("`--settle` has no effect without `--after-call restore`"), "{}", ran.stderr);
}

#[test]
fn a_settings_file_that_cannot_be_read() {
    let place = Place::empty().env("ELEVENLABS_API_KEY", KEY);
    for file in ["/nonexistent", "/"] {
        let ran = place.run(&["agents", "--config", file]);
        let message = format!("the settings file `{file}` cannot be read: ");
        assert!(ran.code == 2 && ran.stderr.contains(&message), "{}", ran.stderr);
        assert!(!ran.stderr.contains("PARTYLINE_CONFIG"), "{}", ran.stderr);
        let ran = Place::empty().env("PARTYLINE_CONFIG", file).run(&["agents"]);
        assert!(ran.code == 2 && ran.stderr.contains(&message), "{}", ran.stderr);
        assert!(ran.stderr.contains("`PARTYLINE_CONFIG` names this file"), "{}", ran.stderr);
    }
}

#[test]
fn an_empty_number_is_not_one_to_call_from() {
    let provider = Provider::with_faults(&[]);
    let ran = Place::with(&provider).run(&["numbers", "assign", "", "Hotel"]);
    assert!(ran.code == 2 && !ran.stderr.contains("to call from"), "{}", ran.stderr);
    untouched(&provider);
}
