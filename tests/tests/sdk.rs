//! The official Python SDK, unmodified, against the emulator.
//!
//! Needs a Python with the SDK: `cargo xtask sdk-setup` makes one, `PARTYLINE_SDK_PYTHON` names another. Without
//! one the test says loudly that it checked nothing; with `PARTYLINE_REQUIRE_ALL=1` it fails instead.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use partyline_domain::ports::NumberProvider;
use partyline_fake_adapter::emulator::Key;
use partyline_fake_adapter::world::{NumberSpec, Operation, RequestOutcome};
use partyline_fake_adapter::{Emulator, RunningEmulator, SharedWorld, World, WorldConfig};
use serde_json::json;
use tokio::process::Command;

const KEY: &str = "test-key-sdk";
const AGENTS: usize = 7;
/// As many lines as `sdk_check.py` prints when everything holds.
const CHECKS: usize = 29;
/// The faults that `sdk_check.py` expects an emulator for.
const FAULTS: [&str; 11] =
    ["401", "401-permission", "402", "403", "404", "422", "429", "500-before", "502-html", "503-before", "504-after"];

/// The Python to use, or why there is none.
fn python() -> Result<PathBuf, String> {
    if let Some(python) = std::env::var_os("PARTYLINE_SDK_PYTHON") {
        return Ok(python.into());
    }
    let python = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/sdk-venv/bin/python"));
    if python.exists() {
        Ok(python.to_owned())
    } else {
        Err("there is no Python with the official SDK: run `cargo xtask sdk-setup`".to_owned())
    }
}

fn config() -> WorldConfig {
    let mut config = WorldConfig::of(AGENTS, 3, &NumberProvider::Twilio);
    config.numbers[1].provider = NumberProvider::SipTrunk;
    config.numbers[2] = NumberSpec { inbound: false, ..config.numbers[2].clone() };
    config
}

async fn emulator(rule: Option<String>) -> RunningEmulator {
    let mut world = World::new(config());
    if let Some(rule) = rule {
        world.faults().add(rule.parse().expect("a fault rule"));
    }
    Emulator::of(SharedWorld::new(world), Some(Key::new(KEY)), "127.0.0.1:0").await.expect("a port is free").spawn()
}

#[tokio::test]
async fn the_official_python_sdk_works_unmodified() {
    let python = match python() {
        Ok(python) => python,
        Err(why) if std::env::var_os("PARTYLINE_REQUIRE_ALL").is_some_and(|value| value == "1") => panic!("{why}"),
        Err(why) => {
            // Not captured, unlike what the macros print.
            let _ = writeln!(std::io::stderr(), "\nSKIPPED the official Python SDK: {why}\n");
            return;
        }
    };
    let healthy = emulator(None).await;
    let mut faulty = BTreeMap::new();
    for fault in FAULTS {
        faulty.insert(fault, emulator(Some(format!("any:{fault}:*"))).await);
    }
    let urls: BTreeMap<_, _> = faulty.iter().map(|(fault, emulator)| (*fault, emulator.url())).collect();
    let numbers = healthy.world().lock().number_ids();
    let plan = json!({
        "base_url": healthy.url(),
        "api_key": KEY,
        "agents": AGENTS,
        "numbers": {
            "twilio": numbers[0].as_str(),
            "sip_trunk": numbers[1].as_str(),
            "outbound_only": numbers[2].as_str(),
        },
        "faults": urls,
    });
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/sdk_check.py");
    let output = Command::new(python)
        .args(["-B", "-X", "utf8", script, &plan.to_string()])
        .env_remove("ELEVENLABS_API_KEY")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("python runs");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{stdout}\n{stderr}", output.status);
    let passed = stdout.lines().filter(|line| line.starts_with("passed: ")).count();
    assert_eq!(passed, CHECKS, "the script says:\n{stdout}");
    the_ledger_agrees(&healthy, &faulty);
}

/// What the script saw is what happened.
fn the_ledger_agrees(healthy: &RunningEmulator, faulty: &BTreeMap<&str, RunningEmulator>) {
    let world = healthy.world().lock();
    assert_eq!(world.ledger().dials.len(), 2, "one dial over each route");
    assert!(world.ledger().dials.iter().all(|dial| dial.attempt.is_none() && !dial.is_misrouted()));
    drop(world);
    for (fault, emulator) in faulty {
        let world = emulator.world().lock();
        let dials: Vec<_> = world.ledger().requests_of(Operation::Dial).collect();
        assert_eq!(dials.len(), 1, "{fault}: the script asked for one dial, without retries");
        assert!(matches!(dials[0].outcome, RequestOutcome::Status(400..600)), "{fault}: {:?}", dials[0].outcome);
        assert_eq!(world.ledger().dials.len(), usize::from(fault.ends_with("-after")), "{fault}");
    }
}
