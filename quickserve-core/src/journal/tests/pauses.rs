//! A paused deployment belongs to nobody, holds the service, and its time stands still.

use super::*;
use crate::error::ErrorKind;
use crate::fence::Epoch;
use crate::plan::{Plan, Step, Strategy};

const MINUTE: Duration = Duration::from_mins(1);

fn pause(by: &str) -> Event {
    Event::PauseRequested { by: by.to_owned() }
}

async fn parked(store: &Arc<dyn ObjectStore>, clock: &Arc<Hand>) -> Journal {
    let mut ada = journal(store, clock, "ada").await;
    ada.open(Opened { act: Act::Deploy, purpose: Purpose::Prove, ..opened("ada") }).await.unwrap();
    let plan = Plan {
        goal: Goal::Nothing,
        purpose: Purpose::Prove,
        strategy: Strategy::BlueGreen,
        steps: vec![Step::Close],
    };
    let deadline = clock::after(clock.now(), 10 * MINUTE);
    ada.append(Event::Planned { plan, because: None, deadline, found: None }).await.unwrap();
    let mut bob = journal(store, clock, "bob").await;
    bob.request(pause("bob")).await.unwrap();
    clock.pass(60);
    let until = clock::after(clock.now(), 60 * MINUTE);
    ada.refresh().await.unwrap();
    assert!(ada.park(&Step::Close, 9 * MINUTE, until).await.unwrap());
    ada
}

#[tokio::test]
async fn a_paused_deployment_holds_the_service_and_says_who_paused_it() {
    let (store, clock) = (in_memory(), Hand::new());
    parked(&store, &clock).await;
    let mut eve = journal(&store, &clock, "eve").await;
    let error = eve.open(opened("eve")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(
        error.to_string(),
        "d-20250601-1 holds the service, paused by bob since 2025-06-01 12:01:00Z, before: close the public port"
    );
}

#[tokio::test]
async fn its_owner_has_let_go_of_it_at_once() {
    let (store, clock) = (in_memory(), Hand::new());
    let mut ada = parked(&store, &clock).await;
    let mut eve = journal(&store, &clock, "eve").await;
    let mut watch = OwnerWatch::new(Arc::new(NoLiveness), clock.clone());
    assert!(matches!(watch.observe(&eve).await.unwrap(), OwnerStatus::Gone { .. }));
    eve.take_over(owner("eve"), "promoted".to_owned()).await.unwrap();
    assert_eq!(ada.append(completed(0)).await.unwrap_err().kind(), ErrorKind::Fenced);
}

#[tokio::test]
async fn a_pause_stops_the_deadline() {
    let (store, clock) = (in_memory(), Hand::new());
    parked(&store, &clock).await;
    clock.pass(3600);
    let mut eve = journal(&store, &clock, "eve").await;
    assert_eq!(eve.take_over(owner("eve"), "promoted".to_owned()).await.unwrap(), Epoch(5));
    let open = eve.state().open.clone().unwrap();
    assert_eq!(open.parked, None);
    assert_eq!(open.plan.unwrap().1, clock::after(clock.now(), 9 * MINUTE));
}

#[tokio::test]
async fn an_abort_is_accepted_while_it_is_paused() {
    let (store, clock) = (in_memory(), Hand::new());
    parked(&store, &clock).await;
    let mut eve = journal(&store, &clock, "eve").await;
    eve.request(abort("eve")).await.unwrap();
    assert!(eve.state().open.as_ref().unwrap().abort.is_some());
}

#[tokio::test]
async fn a_pause_is_withdrawn_before_it_began_and_not_asked_of_what_goes_back() {
    let (store, clock) = (in_memory(), Hand::new());
    let mut ada = journal(&store, &clock, "ada").await;
    ada.open(Opened { act: Act::Deploy, purpose: Purpose::Prove, ..opened("ada") }).await.unwrap();
    let mut bob = journal(&store, &clock, "bob").await;
    bob.request(pause("bob")).await.unwrap();
    assert_eq!(bob.state().open.as_ref().unwrap().pause.as_deref(), Some("bob"));
    bob.request(Event::PromoteRequested { by: "bob".to_owned() }).await.unwrap();
    assert_eq!(bob.state().open.as_ref().unwrap().pause, None);
    bob.request(abort("bob")).await.unwrap();
    bob.request(pause("bob")).await.unwrap();
    assert_eq!(bob.state().open.as_ref().unwrap().pause, None);
}

#[tokio::test]
async fn an_owner_does_not_let_go_when_the_wish_was_withdrawn_or_an_abort_came_before_its_record() {
    for answer in [Event::PromoteRequested { by: "eve".to_owned() }, abort("eve")] {
        let (store, clock) = (in_memory(), Hand::new());
        let mut ada = journal(&store, &clock, "ada").await;
        ada.open(Opened { act: Act::Deploy, purpose: Purpose::Prove, ..opened("ada") }).await.unwrap();
        journal(&store, &clock, "bob").await.request(pause("bob")).await.unwrap();
        ada.refresh().await.unwrap();
        // Ada has not read this when she begins to write.
        journal(&store, &clock, "eve").await.request(answer).await.unwrap();
        assert!(!ada.park(&Step::Close, MINUTE, clock.now()).await.unwrap());
        assert_eq!(ada.append(completed(0)).await.unwrap(), 4);
    }
}
