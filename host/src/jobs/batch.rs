//! Doing together what arrives together: while one batch is being written, the next one gathers. Under load a transaction then serves
//! many callers, and without load nobody waits for company.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::error::JobsError;
use crate::db::DbError;

/// Where callers hand in work of one sort and wait for their own answer. Clones share it; it ends with the last one.
#[derive(Debug)]
pub(super) struct Batches<T, R> {
    sender: mpsc::Sender<Member<T, R>>,
}

impl<T, R> Clone for Batches<T, R> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone() }
    }
}

#[derive(Debug)]
struct Member<T, R> {
    item: T,
    answer: oneshot::Sender<Result<R, JobsError>>,
}

/// What is done with a batch, as one transaction: all of it or nothing.
pub(super) trait Work<T, R>: Send + Sync + 'static {
    /// One answer for each item, in order.
    fn run(&self, items: &[T]) -> impl Future<Output = Result<Vec<R>, JobsError>> + Send;
}

impl<T, R> Batches<T, R>
where
    T: Send + Sync + 'static,
    R: Send + 'static,
{
    /// Starts to take items, at most `size_max` at a time; must be called on an asynchronous runtime.
    pub(super) fn start(size_max: usize, work: impl Work<T, R>) -> Self {
        let (sender, receiver) = mpsc::channel(size_max.max(1));
        tokio::spawn(serve(receiver, size_max.max(1), Arc::new(work)));
        Self { sender }
    }

    /// Hands in an item and waits for what became of it.
    ///
    /// # Errors
    /// As the work's own; [`DbError::Busy`] where the runtime is going down.
    pub(super) async fn run(&self, item: T) -> Result<R, JobsError> {
        let (answer, answered) = oneshot::channel();
        let stopped = || JobsError::Db(DbError::Busy);
        self.sender.send(Member { item, answer }).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

async fn serve<T, R>(mut members: mpsc::Receiver<Member<T, R>>, size_max: usize, work: Arc<impl Work<T, R>>)
where
    T: Send + Sync + 'static,
    R: Send + 'static,
{
    let mut batch = Vec::new();
    while members.recv_many(&mut batch, size_max).await > 0 {
        let (items, answers): (Vec<T>, Vec<_>) = batch.drain(..).map(|Member { item, answer }| (item, answer)).unzip();
        // On a task of its own: a panic costs this batch its answers and not everybody after it theirs.
        let work = Arc::clone(&work);
        let done = tokio::spawn(async move { run_all(&*work, &items).await }).await;
        for (result, answer) in done.unwrap_or_default().into_iter().zip(answers) {
            // Who does not listen any more has given up.
            let _ = answer.send(result);
        }
    }
}

/// One transaction for all; where that fails, one for each, so that an item that cannot be written takes no other with it.
async fn run_all<T, R>(work: &impl Work<T, R>, items: &[T]) -> Vec<Result<R, JobsError>> {
    match work.run(items).await {
        Ok(answers) => answers.into_iter().map(Ok).collect(),
        Err(error) if items.len() == 1 => vec![Err(error)],
        Err(JobsError::Db(DbError::Busy)) => items.iter().map(|_| Err(DbError::Busy.into())).collect(),
        Err(JobsError::Db(DbError::Away(cause))) => {
            items.iter().map(|_| Err(DbError::Away(Arc::clone(&cause)).into())).collect()
        }
        Err(_) => run_each(work, items).await,
    }
}

async fn run_each<T, R>(work: &impl Work<T, R>, items: &[T]) -> Vec<Result<R, JobsError>> {
    let mut results = Vec::with_capacity(items.len());
    let mut is_in_vain = false;
    for item in items {
        // Each would wait as long as the one before.
        let result = match is_in_vain {
            true => Err(JobsError::Db(DbError::Busy)),
            false => work.run(std::slice::from_ref(item)).await.and_then(only),
        };
        is_in_vain |= matches!(result, Err(JobsError::Db(DbError::Busy | DbError::Away(_))));
        results.push(result);
    }
    results
}

fn only<R>(answers: Vec<R>) -> Result<R, JobsError> {
    answers.into_iter().next().ok_or(JobsError::Db(DbError::Busy))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::Semaphore;

    use super::*;

    /// Doubles numbers; refuses any batch with a 13 in it. A batch begins when the test lets it.
    struct Doubler {
        may_begin: Arc<Semaphore>,
        sizes: Arc<Mutex<Vec<usize>>>,
    }

    impl Work<u32, u32> for Doubler {
        async fn run(&self, items: &[u32]) -> Result<Vec<u32>, JobsError> {
            self.may_begin.acquire().await.unwrap().forget();
            self.sizes.lock().unwrap().push(items.len());
            if items.contains(&13) {
                return Err(JobsError::InvalidPlan("13".to_owned()));
            }
            if items.contains(&99) {
                panic!("a bug in the work");
            }
            Ok(items.iter().map(|item| item * 2).collect())
        }
    }

    type Sizes = Arc<Mutex<Vec<usize>>>;

    fn doubler() -> (Batches<u32, u32>, Arc<Semaphore>, Sizes) {
        let (may_begin, sizes) = (Arc::new(Semaphore::new(0)), Arc::default());
        let work = Doubler { may_begin: Arc::clone(&may_begin), sizes: Arc::clone(&sizes) };
        (Batches::start(8, work), may_begin, sizes)
    }

    /// Runs `items`, all handed in before the first batch may begin.
    async fn run(items: &[u32], batches: &Batches<u32, u32>, may_begin: &Semaphore) -> Vec<Result<u32, JobsError>> {
        let callers: Vec<_> = items.iter().map(|&item| batches.run(item)).collect();
        let callers = futures_util::future::join_all(callers);
        let release = async {
            tokio::task::yield_now().await;
            may_begin.add_permits(1_000);
        };
        let (answers, ()) = tokio::join!(callers, release);
        answers
    }

    #[tokio::test]
    async fn what_arrives_together_is_done_together_and_everybody_gets_their_own_answer() {
        let (batches, may_begin, sizes) = doubler();
        let answers = run(&[1, 2, 3, 4, 5], &batches, &may_begin).await;
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, [2, 4, 6, 8, 10]);
        assert!(sizes.lock().unwrap().len() < 5, "{sizes:?}");
    }

    #[tokio::test]
    async fn an_item_that_cannot_be_done_takes_no_other_with_it() {
        let (batches, may_begin, _) = doubler();
        let answers = run(&[1, 13, 3], &batches, &may_begin).await;
        assert!(matches!(answers[..], [Ok(2), Err(JobsError::InvalidPlan(_)), Ok(6)]), "{answers:?}");
    }

    #[tokio::test]
    async fn a_panic_costs_a_batch_its_answers_and_nobody_after_it() {
        let (batches, may_begin, _) = doubler();
        let answers = run(&[99], &batches, &may_begin).await;
        assert!(matches!(answers[..], [Err(JobsError::Db(DbError::Busy))]), "{answers:?}");
        assert_eq!(batches.run(4).await.unwrap(), 8);
    }
}
