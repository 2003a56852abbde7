//! The platform's rate limits, which the sandbox enforces, are kept by the client.

use std::sync::Arc;

use futures_util::future::join_all;
use snowbird::event::{Recorder, Reporter};
use snowbird::fly::wire::{CreateMachine, MachineConfig};
use snowbird::fly::{AppName, Client, Endpoints, Token};
use snowbird::http::{Clients, Retry};
use snowbird::sandbox::{Options, Sandbox};

#[tokio::test]
async fn many_machines_are_made_and_looked_at_without_a_refusal() {
    let options = Options { apps: vec!["web".to_owned()], rate_limits: true, ..<_>::default() };
    let sandbox = Sandbox::start(options).await.unwrap();
    let recorder = Arc::new(Recorder::default());
    let reporter: Arc<dyn Reporter> = Arc::<Recorder>::clone(&recorder);
    let endpoints = Endpoints::new(&sandbox.url(), &sandbox.url(), &sandbox.url()).unwrap();
    let token = Token::parse("fo1_test").unwrap();
    let http = Clients::new(None).unwrap();
    let client = Client::new(http, endpoints, token, Retry::new(reporter));
    let app: AppName = "web".parse().unwrap();

    let made = join_all((0..6).map(async |number| {
        let config = MachineConfig { image: "nginx".to_owned(), ..<_>::default() };
        let request = CreateMachine { config, ..<_>::default() };
        let id = format!("launch-{number}");
        client.clone().create_machine(&app, request, &id).await.unwrap().id
    }));
    let machines = made.await;
    join_all(machines.iter().map(async |machine| {
        for _ in 0..14 {
            client.machine(&app, machine).await.unwrap();
        }
        client.stop_machine(&app, machine, None, None).await.unwrap();
    }))
    .await;
    // Nothing was refused, so nothing had to be sent again.
    assert_eq!(recorder.events(), []);
    assert_eq!(sandbox.requests().len(), 6 + 6 * 15);
}
