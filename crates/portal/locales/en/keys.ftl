# Words of erasure and of its certificate.

action-shred = Erasing records
purpose-erasure = Erasure under the law

shred-title = Certificate of erasure
shred-number = Erasure
shred-scope = Erased
shred-scope-patient = all records of one patient ({ $id })
shred-scope-group = of one patient's records those of institution { $institution }, class { $class }, ending in { $year } ({ $id })
shred-scope-class = all records of institution { $institution }, class { $class }, ending in { $year }
shred-requested = Asked for
shred-approved = Approved
shred-by = { $time }, { $role } ({ $account })
shred-reason = Reason
shred-basis = Legal basis
shred-destroyed = Erased at
shred-keys = Keys destroyed
shred-leaves = Entries of the log that say nothing any more
shred-stores = Records removed from each key store
shred-tables = Rows left in the database
shred-rewritten = The file of the database was written anew.
shred-backups = The last backup of keys ends at
shred-backups-more = Until then somebody who has a backup may have the keys. After that they are nowhere.
shred-kept = What stays, and why
shred-ledger = Entry { $index } of the log { $log }
shred-check = Anybody can check it with the proof in the file that comes with this certificate.

shred-kept-access_entry = who looked: kept for its own term, under keys of its own
shred-kept-access_ground = why somebody was let in: kept with who looked
shred-kept-commitment = the places of issued documents and receipts in the log: a log cannot be shortened, and they hold no content
shred-kept-erased_owner = that it was erased: so that the same records are not taken in again
shred-kept-legal_hold = orders to keep records: who gave them and when
shred-kept-sites = ciphertext at the sites: without its keys nobody can read it
shred-kept-account = accounts and numbers of issued documents: they are the person's, and no records
shred-kept-person = a keyed hash of the CI, by which a person is found who signs in or is a patient elsewhere
shred-kept-watch_finding = what looked wrong about an access: kept with who looked
shred-kept-shred = who asked for this, why, and who approved it

# The pages where staff ask for erasures and approve them.
action-handle-erasures = Asking for erasures and approving them
denial-erasure = the rules of erasure do not permit it
item-erasure = request for erasure
item-erasure-asked = erasure asked for
item-erasure-approved = erasure approved
item-erasure-withdrawn = erasure withdrawn
staff-erasures = Erasures
staff-erasures-text = Ask for erasures by law, and approve them.
erasures-title = Erasures
erasures-lead = One person asks, and two others approve before anything is erased. Neither names nor records are shown.
erasures-open = Under way
erasures-none = No erasure is under way.
erasures-over = Over
erasures-back = Back to erasures
erasures-ask-lead = First you are shown what would go and what stands against it. Nothing is asked for yet.
erasures-of-patient = Records of one patient
erasures-of-class = Records whose retention has ended
erasures-look = Look first
erasure-class = Kind of records
erasure-class-fault = Choose the kind of records.
erasure-year = Year in which retention ended
erasure-year-hint = For example 2019
erasure-year-fault = Enter the year in four digits.
erasure-nothing = There is nothing to erase.
erasure-asked-already = An erasure of the same records is under way already.
erasure-ask-title = Ask for an erasure
erasure-ask-now = Ask for the erasure
erasure-ask-wait = It can be done { $span } after two others have approved. Until then it can be withdrawn.
erasure-days = { $count ->
    [one] { $count } day
   *[other] { $count } days
}
erasure-hours = { $count ->
    [one] { $count } hour
   *[other] { $count } hours
}
erasure-no-way-back = This destroys keys. Once it is done, nobody can undo it.
erasure-takes = What goes
erasure-patients = { $count ->
    [one] records of { $count } patient
   *[other] records of { $count } patients
}
erasure-keys = Keys to destroy: { $count }
erasure-against = What stands against it
erasure-against-none = Nothing stands against it.
erasure-against-held = An order keeps the records of { $count ->
    [one] { $count } patient
   *[other] { $count } patients
}. Nothing is erased before it ends.
erasure-hold = Order { $number }: since { $date }, without an end
erasure-hold-until = Order { $number }: since { $date }, until { $until }
erasure-against-kept = The law keeps some of these records until the end of { $year }. Make sure that another law has them erased now.
erasure-despite = I ask for it although this stands against it
erasure-despite-fault = Something stands against the erasure. Tick the box if you ask for it all the same.
erasure-reason-hint = Say why it is to be erased. Those who approve see it, and it stands in the certificate.
erasure-reason-fault = Give a reason of at most 1300 characters.
erasure-basis-hint = The law and its article, for example Personal Information Protection Act art. 36(1)
erasure-basis-fault = Name the law and its article.
erasure-title = Erasure
erasure-back = Back to the erasure
erasure-scope-patient = All records of one patient (number { $number })
erasure-scope-group = Of one patient's records those of hospital { $institution }, { $class }, ending in { $year } (number { $number })
erasure-scope-class = All records of hospital { $institution }, { $class }, ending in { $year }
erasure-by = { $date }, { $name } ({ $role })
erasure-not-before = Can be done from
erasure-state-requested = waits for approvals
erasure-state-approved = approved
erasure-state-begun = begun
erasure-state-held = stopped by an order
erasure-state-running = being done
erasure-state-destroyed = keys destroyed
erasure-state-compacted = keys destroyed
erasure-state-cleaned = keys destroyed
erasure-state-done = done
erasure-state-withdrawn = withdrawn
erasure-told-requested = It waits for { $count ->
    [one] the approval of one more person
   *[other] the approvals of { $count } others
}.
erasure-told-waiting = Two have approved. It waits until { $date }; after that the operator does it.
erasure-told-due = The waiting period is over. The operator can do it now.
erasure-told-held = An order to keep records holds it up. It goes on once the order has ended.
erasure-told-stopped = It was begun, and an order to keep records stopped it before any key was destroyed. Nothing is erased yet. Once the order has ended, the operator goes on with it.
erasure-told-begun = It was begun. No key is destroyed yet.
erasure-told-running = It is being done.
erasure-told-destroyed = The keys are destroyed, and there is no way back. The certificate comes once traces in index and text are gone, too.
erasure-told-compacted = The keys are destroyed, and there is no way back. The certificate comes once traces in index and text are gone, too.
erasure-told-cleaned = The traces are gone, too. The certificate comes once the log has it.
erasure-told-done = It is done. There is a certificate.
erasure-told-withdrawn = It was withdrawn before it was begun. Nothing was erased.
erasure-run-title = What the operator does
erasure-run-text = Writes wait while the database is written anew, so run this command on the server when little is written. Should it stop, run it again: it goes on where it was.
erasure-approve-title = Approval
erasure-approve-wait = It can be done { $span } after the second approval.
erasure-approve = Approve
erasure-approved = Approved.
erasure-own = Whoever asked for it cannot approve it. Two other people must.
erasure-twice = You have approved it already. Somebody else must, too.
erasure-several = This number stands on several records of the same person. Give the patient number that the hospital's system uses for one of them alone, to say which record it is. To erase them all, ask for each by itself.
erasure-other = Since you looked, the number has come to mean another record. Please look again at what would go before you ask for it.
erasure-theirs = These records are your own. Others must ask for this, approve it or withdraw it.
erasure-lapsed = Approval that does not count (no longer in the role)
erasure-left = Whoever asked for it no longer has the role. It goes no further: withdraw it and ask again.
erasure-late = It takes no approval now.
erasure-withdraw-title = Withdrawing
erasure-withdraw-text = Until it is begun, any administrator, data steward or security officer can withdraw it.
erasure-withdraw = Withdraw
erasure-withdrawn = Withdrawn.
erasure-too-late = It was begun or is over, and cannot be withdrawn.
erasure-certificate = See the certificate
erasure-proof = How to check it
erasure-file = Download the certificate
