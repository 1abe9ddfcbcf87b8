//! Questions of one kind that come at the same time are asked in one call: while a call is under way, those
//! that come meanwhile gather for the next one. The scarcer the calls, the more questions each of them holds.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, oneshot};

use super::urgency::Urgency;
use crate::model::failure::{Failure, FailureKind};

/// At most this many questions in one call.
const MOST: usize = 40;
/// At most this many calls of one kind at once; a slow one does not hold the others up.
const CALLS: usize = 2;

/// Gathers questions.
pub(super) struct Together<Q, A> {
    waiting: Mutex<Vec<Waiting<Q, A>>>,
    calls: Semaphore,
}

struct Waiting<Q, A> {
    question: Q,
    urgency: Urgency,
    reply: oneshot::Sender<Result<A, Failure>>,
}

impl<Q: Clone, A> Together<Q, A> {
    pub(super) const fn new() -> Self {
        Self { waiting: Mutex::new(Vec::new()), calls: Semaphore::const_new(CALLS) }
    }

    /// Asks, with whoever asks at the same time. `call` answers questions in their order.
    ///
    /// # Errors
    /// What the call failed with. Where that may be another question's fault, each is asked by itself.
    pub(super) async fn ask<F>(&self, question: Q, call: impl Fn(Vec<Q>) -> F) -> Result<A, Failure>
    where
        F: Future<Output = Result<Vec<A>, Failure>>,
    {
        let (reply, mut answer) = oneshot::channel();
        self.waiting().push(Waiting { question: question.clone(), urgency: Urgency::here(), reply });
        // Others that are ready come before the first call leaves.
        tokio::task::yield_now().await;
        loop {
            let turn = tokio::select! {
                biased;
                answer = &mut answer => match answer {
                    Ok(answer) => return answer,
                    // Whoever had taken the question is gone.
                    Err(_) => return alone(question, &call).await,
                },
                turn = self.calls.acquire() => turn,
            };
            let batch = self.take();
            if batch.is_empty() {
                // Whoever has the question answers it; until then there is nothing to do here.
                drop(turn);
                return match answer.await {
                    Ok(answer) => answer,
                    Err(_) => alone(question, &call).await,
                };
            }
            answer_all(batch, &call).await;
            drop(turn);
        }
    }

    /// The most urgent questions, in the order in which they came.
    fn take(&self) -> Vec<Waiting<Q, A>> {
        let mut waiting = self.waiting();
        waiting.retain(|one| !one.reply.is_closed());
        waiting.sort_by_key(|one| one.urgency);
        let most = waiting.len().min(MOST);
        waiting.drain(..most).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting<Q, A>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One call for all; it is as urgent as the most urgent of them.
async fn answer_all<Q: Clone, A, F>(batch: Vec<Waiting<Q, A>>, call: &impl Fn(Vec<Q>) -> F)
where
    F: Future<Output = Result<Vec<A>, Failure>>,
{
    let urgency = batch.iter().map(|one| one.urgency).min().unwrap_or(Urgency::Decide);
    let questions = batch.iter().map(|one| one.question.clone()).collect();
    match urgency.of(call(questions)).await {
        Ok(answers) => {
            for (one, answer) in batch.into_iter().zip(answers) {
                // Whoever no longer listens needs no answer.
                let _gone = one.reply.send(Ok(answer));
            }
        }
        Err(failure) if batch.len() > 1 && matches!(failure.kind, FailureKind::Refused | FailureKind::Unreadable) => {
            for one in batch {
                let answer = one.urgency.of(alone(one.question, call)).await;
                let _gone = one.reply.send(answer);
            }
        }
        Err(failure) => {
            for one in batch {
                let _gone = one.reply.send(Err(failure.clone()));
            }
        }
    }
}

async fn alone<Q, A, F>(question: Q, call: &impl Fn(Vec<Q>) -> F) -> Result<A, Failure>
where
    F: Future<Output = Result<Vec<A>, Failure>>,
{
    let mut answers = call(vec![question]).await?.into_iter();
    answers.next().ok_or_else(|| Failure {
        provider: crate::model::failure::Provider::LogAnalytics,
        operation: "asking together".to_owned(),
        kind: FailureKind::NotAttempted,
        sent: crate::model::failure::Sent::Answered,
        vendor: None,
        hint: "a bug in riposte: a question was not answered; please report it".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;

    use super::*;
    use crate::model::failure::{Provider, Sent};

    fn failure(kind: FailureKind) -> Failure {
        Failure {
            provider: Provider::LogAnalytics,
            operation: "q".into(),
            kind,
            sent: Sent::Answered,
            vendor: None,
            hint: String::new(),
        }
    }

    #[tokio::test]
    async fn questions_of_one_moment_are_one_call_and_each_gets_its_own_answer() {
        let (together, calls) = (Together::new(), AtomicUsize::new(0));
        let double = |questions: Vec<usize>| {
            calls.fetch_add(1, Ordering::SeqCst);
            async move { Ok(questions.into_iter().map(|n| n * 2).collect()) }
        };
        let answers = join_all((0..30).map(|n| together.ask(n, double))).await;
        assert_eq!(
            answers.into_iter().map(Result::unwrap).collect::<Vec<_>>(),
            (0..30).map(|n| n * 2).collect::<Vec<_>>()
        );
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn more_than_fit_into_a_call_are_asked_in_several_the_most_urgent_first() {
        let (together, asked) = (Together::new(), Mutex::new(Vec::new()));
        let echo = |questions: Vec<usize>| {
            asked.lock().unwrap().push(questions.clone());
            async move { Ok(questions) }
        };
        let polls = join_all((0..100).map(|n| together.ask(n, echo)));
        let look = Urgency::Look.of(together.ask(1_000, echo));
        let (polls, look) = tokio::join!(polls, look);
        assert!(polls.iter().all(Result::is_ok) && look.is_ok());
        let asked = asked.lock().unwrap();
        assert_eq!((asked.len(), asked[0][0]), (3, 1_000));
    }

    #[tokio::test]
    async fn a_question_that_spoils_the_call_does_not_spoil_its_neighbours() {
        let together = Together::new();
        let picky = |questions: Vec<usize>| async move {
            if questions.contains(&3) { Err(failure(FailureKind::Refused)) } else { Ok(questions) }
        };
        let answers = join_all((0..5).map(|n| together.ask(n, picky))).await;
        assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, true, false, true]);
    }

    #[tokio::test]
    async fn a_call_that_found_nobody_there_is_told_to_all_and_not_repeated() {
        let (together, calls) = (Together::new(), AtomicUsize::new(0));
        let down = |_: Vec<usize>| {
            calls.fetch_add(1, Ordering::SeqCst);
            async { Err::<Vec<usize>, _>(failure(FailureKind::Unavailable)) }
        };
        let answers = join_all((0..5).map(|n| together.ask(n, down))).await;
        assert!(answers.iter().all(Result::is_err));
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn whose_question_is_being_asked_by_another_sleeps_until_the_answer_comes() {
        struct Woken(AtomicUsize);
        impl futures::task::ArcWake for Woken {
            fn wake_by_ref(woken: &std::sync::Arc<Self>) {
                woken.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let together = Together::new();
        let gate = Semaphore::new(0);
        let slow = |questions: Vec<usize>| async {
            let _open = gate.acquire().await.unwrap();
            Ok(questions)
        };
        let (mut leader, mut follower) = (Box::pin(together.ask(1, slow)), Box::pin(together.ask(2, slow)));
        let woken = std::sync::Arc::new(Woken(AtomicUsize::new(0)));
        let waker = futures::task::waker(std::sync::Arc::clone(&woken));
        let mut cx = std::task::Context::from_waker(&waker);
        for _ in 0..3 {
            assert!(futures::poll!(&mut leader).is_pending());
            // A wake may be put off until the test yields.
            tokio::task::yield_now().await;
            woken.0.store(0, Ordering::SeqCst);
            assert!(follower.as_mut().poll(&mut cx).is_pending());
        }
        tokio::task::yield_now().await;
        assert_eq!(woken.0.load(Ordering::SeqCst), 0);
        gate.add_permits(1);
        assert_eq!((leader.await.unwrap(), follower.await.unwrap()), (1, 2));
    }

    #[tokio::test]
    async fn whose_call_was_given_up_asks_again() {
        let together = Together::new();
        let gate = Semaphore::new(0);
        let slow = |questions: Vec<usize>| async {
            let _open = gate.acquire().await.unwrap();
            Ok(questions)
        };
        let mut leader = Box::pin(together.ask(1, slow));
        let mut follower = Box::pin(together.ask(2, slow));
        for _ in 0..3 {
            assert!(futures::poll!(&mut leader).is_pending() && futures::poll!(&mut follower).is_pending());
        }
        drop(leader);
        gate.add_permits(1);
        assert_eq!(follower.await.unwrap(), 2);
    }
}
