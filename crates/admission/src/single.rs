use tokio::sync::Mutex;
use tokio::time::Instant;

/// Asks one question at a time, however many want the answer.
///
/// Nobody gets an answer to a question that was put before they came, so that no answer is older
/// than its request.
#[derive(Debug, Default)]
pub struct Single<T> {
    last: Mutex<Option<(Instant, T)>>,
}

impl<T: Clone> Single<T> {
    /// The answer of somebody who asks from now on, or else that of `ask`.
    pub async fn ask<F: Future<Output = T>>(&self, ask: impl FnOnce() -> F) -> T {
        let came = Instant::now();
        let mut last = self.last.lock().await;
        if let Some((asked, answer)) = &*last
            && *asked >= came
        {
            return answer.clone();
        }
        let asked = Instant::now();
        let answer = ask().await;
        *last = Some((asked, answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn many_share_an_answer_that_is_not_older_than_they_are() {
        let single = Arc::new(Single::default());
        let asked = Arc::new(AtomicUsize::new(0));
        let (release, held) = oneshot::channel::<()>();
        let (one, count) = (Arc::clone(&single), Arc::clone(&asked));
        let first = tokio::spawn(async move {
            let ask = || async {
                let _ = held.await;
                count.fetch_add(1, Ordering::SeqCst)
            };
            one.ask(ask).await
        });
        tokio::task::yield_now().await;
        let others: Vec<_> = (0..50)
            .map(|_| {
                let (one, count) = (Arc::clone(&single), Arc::clone(&asked));
                tokio::spawn(async move {
                    one.ask(|| async { count.fetch_add(1, Ordering::SeqCst) })
                        .await
                })
            })
            .collect();
        tokio::task::yield_now().await;
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), 0);
        for other in others {
            assert_eq!(
                other.await.unwrap(),
                1,
                "put after they came, for all of them"
            );
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}
