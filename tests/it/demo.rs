//! The morning, as `riposte demo` plays it.

use riposte::cli::demo::play;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn directory_comments_and_journal_agree_after_the_morning() {
    let shown = play(true).await.unwrap();
    assert_eq!(shown.disagreements, Vec::<String>::new(), "{}", shown.report);
}
