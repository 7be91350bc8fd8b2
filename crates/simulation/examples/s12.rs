use partyline_simulation::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let count: u32 = args[2].parse().unwrap();
    let seeds: Vec<u64> = (1..=args[3].parse().unwrap()).collect();
    for mut scenario in find(&args[1]) {
        scenario.failover.as_mut().unwrap().count = count;
        if let Some(share) = args.get(4) {
            scenario.failover.as_mut().unwrap().late.share = share.parse().unwrap();
        }
        let at = std::time::Instant::now();
        let report = Report::new(&scenario, Strategy::Partyline, &seeds, Options::default());
        println!("{} {:?}", scenario.name(), at.elapsed());
        for (metric, figure) in &report.figures {
            println!("   {:30} {:.5} ± {:.5}", metric.name(), figure.mean, figure.half_width.unwrap_or(0.0));
        }
    }
}
