use partyline_simulation::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let count: u32 = args[2].parse().unwrap();
    let seeds: Vec<u64> = (1..=args[3].parse().unwrap()).collect();
    for mut scenario in find(&args[1]) {
        for of in [LateOf::LastTurn, LateOf::Failing] {
            let failover = scenario.failover.as_mut().unwrap();
            failover.count = count;
            failover.late.of = of;
            scenario.policy.mutation = Some(partyline_domain::Mutation::NoQuarantine);
            scenario.policy.freshness = std::time::Duration::from_secs(3600);
            scenario.policy.survey_every = std::time::Duration::from_secs(3600);
            let report = Report::new(&scenario, Strategy::Partyline, &seeds, Options::default());
            println!("{} {of:?}", scenario.name());
            for (metric, figure) in &report.figures {
                println!("   {:30} {:.5} ± {:.5}", metric.name(), figure.mean, figure.half_width.unwrap_or(0.0));
            }
        }
    }
}
