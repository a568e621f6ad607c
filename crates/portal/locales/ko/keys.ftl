# 기록 삭제와 그 확인서의 말.

action-shred = 기록 삭제
purpose-erasure = 법에 따른 삭제

shred-title = 삭제 확인서
shred-number = 삭제 번호
shred-scope = 삭제한 것
shred-scope-patient = 환자 한 명의 모든 기록 ({ $id })
shred-scope-group = 환자 한 명의 기록 가운데 기관 { $institution }, 분류 { $class }, 만료 { $year }년 ({ $id })
shred-scope-class = 기관 { $institution }의 분류 { $class }, 만료 { $year }년 기록 전부
shred-requested = 요청
shred-approved = 승인
shred-by = { $time }, { $role } ({ $account })
shred-role-administrator = 관리자
shred-role-steward = 데이터 책임자
shred-role-security-officer = 보안 책임자
shred-reason = 이유
shred-basis = 법적 근거
shred-destroyed = 삭제한 때
shred-keys = 없앤 키
shred-leaves = 더는 아무것도 말하지 않는 장부 항목
shred-stores = 키 보관소마다 지운 기록
shred-tables = 데이터베이스에 남은 행
shred-rewritten = 데이터베이스 파일을 새로 썼습니다.
shred-backups = 마지막 키 백업이 끝나는 때
shred-backups-more = 그때까지는 백업을 가진 사람이 키를 갖고 있을 수 있습니다. 그 뒤에는 어디에도 남지 않습니다.
shred-kept = 남는 것과 그 까닭
shred-ledger = 장부 { $log }의 { $index }번 항목
shred-check = 이 확인서와 함께 받은 파일의 증명으로 누구나 확인할 수 있습니다.

shred-kept-access_entry = 누가 보았는지의 기록: 정해진 기간 동안 따로 보관하며, 자체 키로 잠겨 있습니다
shred-kept-access_ground = 누가 어떤 까닭으로 볼 수 있었는지: 누가 보았는지의 기록과 함께 보관합니다
shred-kept-commitment = 발급과 영수의 장부 자리: 장부는 지울 수 없고, 내용은 담고 있지 않습니다
shred-kept-erased_owner = 삭제했다는 사실: 같은 기록을 다시 받지 않기 위해서입니다
shred-kept-legal_hold = 보존 명령: 누가 언제 내렸는지
shred-kept-sites = 보관소의 암호문: 열 키가 없어 누구도 읽을 수 없습니다
shred-kept-account = 계정과 발급 번호: 사람의 것이며 기록이 아닙니다
