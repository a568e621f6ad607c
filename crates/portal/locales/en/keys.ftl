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
shred-role-administrator = administrator
shred-role-steward = data steward
shred-role-security-officer = security officer
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
