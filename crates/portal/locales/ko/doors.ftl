# 남의 기록을 보는 사람과 그 까닭: 역할, 하는 일, 목적, 거절한 까닭.

role-representative = 대리인
role-support = 지원센터 직원
role-clinician = 진료하는 의료인
role-pharmacist = 약사
role-researcher = 연구자
role-steward = 데이터 관리자
role-security-officer = 보안 담당자
role-auditor = 감사 담당자
role-administrator = 권한 관리자
action-manage-consent = 동의 관리
action-appoint = 대리인 정하기
action-record-proof = 대리인 서류 확인
action-ask-ground = 열람 신청
action-confirm-ground = 열람 신청 확인
action-break-glass = 긴급 열람 시작
action-review-glass = 긴급 열람 검토
action-oversee = 열람 현황 보기
action-manage-rights = 권한 주고 거두기
purpose-representation = 대리인으로서
purpose-application = 신청을 처리하려고
purpose-care = 진료하려고
purpose-dispensing = 약을 지으려고
purpose-migration = 옮겨 온 기록을 확인하려고
purpose-emergency = 긴급한 진료를 하려고
purpose-oversight = 열람을 감독하려고
denial-ground = 열려 있는 신청·방문·동의·처방이 없어서
